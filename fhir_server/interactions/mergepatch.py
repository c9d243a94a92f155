"""JSON Merge Patch: a resource with what changes in it, null for what goes. Pure.

https://www.rfc-editor.org/rfc/rfc7396 — not one of R4's forms of patch, but what some client libraries send.
"""

from typing import Any

Json = dict[str, Any]


def apply(patch: Json, target: Any) -> Json:
    """Return `target` changed by `patch`, itself untouched: objects are merged, null removes, all else replaces."""
    changed = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            changed.pop(name, None)
        elif isinstance(value, dict):
            changed[name] = apply(value, changed.get(name))
        else:
            changed[name] = value
    return changed
