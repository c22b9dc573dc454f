"""CloudFormation: stacks within stacks, and what a template's `true` is.

A stack within a stack is made, changed and deleted as one of its own (CloudFormation user guide, "Embed stacks within
other stacks using nested stacks"). MiniStack, within one: leaves dynamic references as they stand; forgets the
attributes of what does not change, so that the next update finds none; leaves behind what it made before a failure; and
goes on when something cannot be deleted.

A parameter is text, and so are its default and allowed values: `true` is "true", where MiniStack has Python's "True".
"""

import asyncio

from ministack.services.cloudformation import _stacks, engine, provisioners, stacks

from correction import replace
from resources import text

STACK = "AWS::CloudFormation::Stack"
SECTIONS_OF_TEXT = ("Parameters", "Conditions", "Rules")


def with_text(value):
    """The same with text for booleans."""
    if isinstance(value, dict):
        return {key: with_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_text(item) for item in value]
    return text(value) if isinstance(value, bool) else value


def template_of_text(load):
    def corrected(loader):
        template = load(loader)
        if not isinstance(template, dict):
            return template
        for section in SECTIONS_OF_TEXT:
            if section in template:
                template[section] = with_text(template[section])
        for resource in (template.get("Resources") or {}).values():
            if resource.get("Type") == STACK:
                resource["Properties"]["Parameters"] = with_text(resource["Properties"].get("Parameters", {}))
        return template

    return corrected


def resolved(properties):
    return engine._resolve_dynamic_references(properties)[0]


def provision_resource(resource_type, logical_id, properties, stack_name):
    return emulated_provision(resource_type, logical_id, resolved(properties), stack_name)


def update_resource(resource_type, physical_id, old, new, stack_name, logical_id=None, attributes=None):
    if attributes is None:
        attributes = _stacks[stack_name]["_resources"][logical_id]["Attributes"]
    return emulated_update(
        resource_type, physical_id, resolved(old), resolved(new), stack_name, logical_id, attributes
    )


def delete(physical_id, _properties):
    name = provisioners._nested_stack_lookup_name(physical_id)
    stack = _stacks.get(name)
    if stack is None or stack["StackStatus"] == "DELETE_COMPLETE":
        return
    asyncio.run(stacks._delete_stack_async(name, stack["StackId"]))  # This is a worker's thread.
    if stack["StackStatus"] != "DELETE_COMPLETE":
        raise ValueError(f"{name}: {stack['StackStatusReason']}")


def create(logical_id, properties, parent):
    try:
        return emulated_create(logical_id, properties, parent)
    except Exception:
        for stack in list(_stacks.values()):
            if stack.get("_parent_stack_name") == parent and stack["StackStatus"] == "CREATE_FAILED":
                delete(stack["StackId"], properties)
        raise


def correct():
    global emulated_create, emulated_provision, emulated_update
    engine.CfnLoader.get_single_data = template_of_text(engine.CfnLoader.get_single_data)
    emulated_provision = replace(provisioners, "_provision_resource", provision_resource)
    emulated_update = replace(provisioners, "_update_resource", update_resource)
    handlers = provisioners._RESOURCE_HANDLERS[STACK]
    emulated_create = handlers["create"]
    handlers.update(create=create, delete=delete)
