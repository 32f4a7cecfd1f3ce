"""What a guest with a language model does for itself: llama.cpp, the model, the server. Standard library only."""
