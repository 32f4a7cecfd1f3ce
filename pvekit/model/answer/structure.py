"""Checks of an answer file's structure: frame, components, settings, values, order numbers."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.model.answer import components
from pvekit.model.answer.finding import Finding, at, near
from pvekit.model.answer.kinds import complain
from pvekit.model.answer.outline import Setting, homes, known
from pvekit.model.answer.tree import UNATTEND, WCM, Node

Found = Iterator[Finding]

_REQUIRED = {
    "name": None,
    "processorArchitecture": components.ARCHITECTURES,
    "publicKeyToken": (components.MICROSOFT,),
    "language": ("neutral",),
    "versionScope": ("nonSxS",),
}
_ACTION = f"{{{WCM}}}action"
_ITEM_ATTRIBUTES = (_ACTION, f"{{{WCM}}}keyValue")


def check(root: Node) -> Found:
    """Yield every mistake of structure."""
    if root.name != "unattend" or root.space != UNATTEND:
        hint = f'Write <unattend xmlns="{UNATTEND}">.'
        yield at(root, f"the root element is {root.name} in the namespace {root.space or 'none'}", hint)
        return
    seen: set[str] = set()
    for node in root.children:
        if node.space != UNATTEND:
            # Elements of other namespaces are for other programs, and Setup passes over them.
            if node.name in ("settings", "component", "servicing"):
                yield at(node, f"{node.name} is in another namespace", f"Setup looks for it in {UNATTEND}.")
            continue
        if node.name == "settings":
            yield from _settings(node, seen)
        elif node.name != "servicing":
            yield at(node, f"{node.name} does not stand here", "Only settings and servicing do.")
    yield from _stray_text(root)


def _settings(node: Node, seen: set[str]) -> Found:
    name = node.attributes.get("pass")
    yield from _attributes(node, ("pass",))
    if name is None:
        yield at(node, "the attribute pass is missing", f"One of {', '.join(components.PASSES)}.")
    elif name not in components.PASSES:
        yield at(node, f"there is no pass {name!r}", near(name, components.PASSES))
    elif name in seen:
        yield at(node, f"the pass {name} stands twice", "Put its components together.")
    seen.add(name or "")
    yield from _stray_text(node)
    there: set[tuple[str, str]] = set()
    for child in node.children:
        if child.name != "component" or child.space != UNATTEND:
            yield at(child, f"{child.name} does not stand here", _belongs(child) or "Only components do.")
            continue
        identity = (child.attributes.get("name", ""), child.attributes.get("processorArchitecture", ""))
        if identity in there:
            yield at(child, "the component stands twice in this pass", "Put its settings together.")
        there.add(identity)
        yield from _component(child, name or "")


def _component(node: Node, pass_name: str) -> Found:
    yield from _attributes(node, tuple(_REQUIRED))
    for attribute, values in _REQUIRED.items():
        value = node.attributes.get(attribute)
        if value is None:
            yield at(node, f"the attribute {attribute} is missing", f"For example {values[0]}." if values else "")
        elif values and value not in values:
            yield at(node, f"{attribute} is {value!r}", near(value, values) or f"Known: {', '.join(values)}.")
    name = node.attributes.get("name")
    if name is None:
        return
    component = known().get(name)
    if component is None:
        yield at(node, f"nobody here knows a component {name}", near(name, known(), 0.85))
        return
    setting = component.passes.get(pass_name)
    if setting is None:
        if pass_name in components.PASSES:
            passes = ", ".join(component.passes)
            yield at(node, f"{name} is not read in the pass {pass_name}", f"It is in {passes}.")
        return
    yield from _children(node, setting)


def _children(node: Node, setting: Setting) -> Found:
    yield from _stray_text(node)
    seen: set[str] = set()
    for child in node.children:
        if child.space != UNATTEND:
            yield at(child, f"{child.name} is in another namespace", f"Settings are in {UNATTEND}.")
            continue
        known_as = setting.children.get(child.name)
        if known_as is None:
            yield at(
                child, f"there is no setting {child.name} here", near(child.name, setting.children) or _belongs(child)
            )
            continue
        if child.name in seen and not known_as.many:
            yield at(child, f"{child.name} stands twice", "Windows takes one of them, or stops.")
        seen.add(child.name)
        yield from _setting(child, known_as)
    for name in setting.needs:
        if name not in seen:
            yield at(node, f"{name} is missing")
    yield from _orders([child for child in node.children if child.name in setting.children], setting)


def _setting(node: Node, known_as: Setting) -> Found:
    if known_as.many:
        yield from _attributes(node, _ITEM_ATTRIBUTES)
        if node.attributes.get(_ACTION) not in ("add", "modify", "remove"):
            yield at(node, "an item of a list needs wcm:action", 'Write wcm:action="add", with wcm declared.')
    else:
        yield from _attributes(node, ())
    if not known_as.kind:
        yield from _children(node, known_as)
        if not node.children:
            yield at(node, "the element is empty", "Remove it, or fill it.")
        return
    for child in node.children:
        yield at(child, f"{node.name} holds a value, no elements", _belongs(child))
    complaint = complain(known_as.kind, node.value)
    if complaint is not None:
        yield at(node, *complaint)
    elif node.text != node.value:
        yield at(node, "there is white space around the value", "Windows takes it as a part of the value.")


def _orders(nodes: list[Node], setting: Setting) -> Found:
    """Yield what is wrong with the order numbers of a list: each once, from 1 without a gap."""
    lists: dict[str, list[Node]] = {}
    for node in nodes:
        if setting.children[node.name].many and "Order" in setting.children[node.name].children:
            lists.setdefault(node.name, []).append(node)
    for items in lists.values():
        numbers = [order for item in items if (order := item.child("Order")) is not None and order.value.isdecimal()]
        seen: set[int] = set()
        for order in numbers:
            if int(order.value) in seen:
                yield at(order, f"the order number {order.value} stands twice", "Count from 1.")
            seen.add(int(order.value))
        if seen and seen != set(range(1, len(seen) + 1)) and len(seen) == len(numbers):
            missing = next(number for number in range(1, len(seen) + 1) if number not in seen)
            yield at(items[0], f"the order numbers have no {missing}", "Count from 1, without a gap.")


def _attributes(node: Node, allowed: tuple[str, ...]) -> Found:
    for name in node.attributes:
        plain = name.rpartition("}")[2]
        if name in allowed or (name.startswith("{") and WCM not in name):
            continue
        words = [each.rpartition("}")[2] for each in allowed]
        yield at(node, f"there is no attribute {plain} here", near(plain, words))


def _stray_text(node: Node) -> Found:
    if node.value:
        yield at(node, "there is text between the elements", "")


def _belongs(node: Node) -> str:
    places = homes().get(node.name, ())
    return f"It belongs below {places[0]}." if places else ""
