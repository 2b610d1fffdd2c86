"""Operations with a Task that the bridge's catalogue does not have, in the catalogue's terms."""

from __future__ import annotations

from bridge.catalogue.operation import AnswerShape, BodyRule, Lane, Operation, Recovery


def operation(
    name: str, method: str, path: str, *, body_type: str | None = None, answer: AnswerShape = AnswerShape.TASK
) -> Operation:
    """An operation of the simulator alone.

    Args:
        body_type: Element of the body that is required; without one none is taken.
    """
    lower = None if body_type is None else f"{body_type[0].lower()}{body_type[1:]}"
    return Operation(
        name=name, method=method, path=path, parameters=(), query=(), body_type=body_type,
        body_rule=BodyRule.NONE if body_type is None else BodyRule.REQUIRED,
        media_type=None if lower is None else f"application/vnd.vmware.vcloud.{lower}+json",
        answer=answer, entity=None, lane=Lane.ENTITY, created_name=None, destructive=method == "DELETE",
        recovery=Recovery.NEVER_RETRY, recovery_reason="", probe=None, since=None, deprecated=None, removed=None,
        vcd_operation_name=None, on_task_page=False, stream=None, source="",
    )  # fmt: skip
