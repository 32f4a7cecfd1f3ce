"""Click commands: parse, call one workflow, render. The only place that prints and exits."""
