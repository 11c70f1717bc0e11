"""Writes `*.json` beside this file: of each API that the double plays, the methods that it knows and the messages that they
take and give, as Google's own clients in an installed gcloud have them.

    CLOUDSDK_ROOT/platform/bundledpythonunix/bin/python3 export.py CLOUDSDK_ROOT [OUT]

A field's type is one of string, int64 (a string of digits in JSON), int32, double, bool, bytes, any; a message's name; an
enum's values in parentheses; `[T]` for a list and `{T}` for a map of T.
"""

import importlib
import json
import os
import re
import sys

ROOT = sys.argv[1]
OUT = sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(ROOT, "lib"), os.path.join(ROOT, "lib", "third_party")]

from apitools.base.protorpclite import message_types, messages  # noqa: E402
from apitools.base.py import encoding, extra_types  # noqa: E402

# The methods that the double knows; whatever else is called is answered as Google answers an unknown path.
METHODS = {
    "container/v1": [
        "projects.locations.clusters.create",
        "projects.locations.clusters.delete",
        "projects.locations.clusters.get",
        "projects.locations.clusters.list",
        "projects.locations.clusters.nodePools.create",
        "projects.locations.clusters.nodePools.delete",
        "projects.locations.clusters.nodePools.get",
        "projects.locations.clusters.nodePools.list",
        "projects.locations.getServerConfig",
        "projects.locations.operations.get",
        "projects.locations.operations.list",
    ],
    "file/v1": [
        "projects.locations.get",
        "projects.locations.list",
        "projects.locations.instances.create",
        "projects.locations.instances.delete",
        "projects.locations.instances.get",
        "projects.locations.instances.list",
        "projects.locations.operations.get",
        "projects.locations.operations.list",
    ],
    "serviceusage/v1": ["services.get", "services.list", "services.enable", "services.batchEnable", "operations.get"],
    "cloudresourcemanager/v1": ["projects.get"],
    "cloudbilling/v1": ["projects.getBillingInfo"],
    "compute/v1": ["networks.get", "regions.get", "zones.get"],
    "artifactregistry/v1": [
        "projects.locations.repositories.create",
        "projects.locations.repositories.get",
        "projects.locations.repositories.list",
        "projects.locations.operations.get",
    ],
    "cloudquotas/v1beta": [
        "projects.locations.services.quotaInfos.get",
        "projects.locations.services.quotaInfos.list",
    ],
}

SIMPLE = {
    messages.Variant.STRING: "string",
    messages.Variant.BOOL: "bool",
    messages.Variant.INT32: "int32",
    messages.Variant.UINT32: "int32",
    messages.Variant.INT64: "int64",
    messages.Variant.UINT64: "int64",
    messages.Variant.DOUBLE: "double",
    messages.Variant.FLOAT: "double",
    messages.Variant.BYTES: "bytes",
}


def name(message):
    """The message's name, with those that it is nested in."""
    outer = message.outer_message_definition() if callable(getattr(message, "outer_message_definition", None)) else None
    return (name(outer) + "." if outer else "") + message.__name__


def json_names(message, field):
    """The field's name in JSON."""
    return (encoding.GetCustomJsonFieldMapping(message, python_name=field.name) or field.name)


def enum(kind):
    """Its values, `A|B`."""
    values = [encoding.GetCustomJsonEnumMapping(kind, python_name=value) or value for value in kind.names()]
    return "(" + "|".join(sorted(values)) + ")"


def kind_of(field, seen):
    """What the field holds, without whether it is a list."""
    if isinstance(field, messages.EnumField):
        return enum(field.type)
    if isinstance(field, message_types.DateTimeField):
        return "string"
    if isinstance(field, messages.MessageField):
        kind = field.type
        if kind in (extra_types.JsonValue, extra_types.JsonObject, extra_types.JsonArray):
            return "any"
        if any(f.name == "additionalProperties" for f in kind.all_fields()):
            pair = kind.field_by_name("additionalProperties").type
            return "{" + kind_of(pair.field_by_name("value"), seen) + "}"
        seen.append(kind)
        return name(kind)
    return SIMPLE[field.variant]


def describe(roots):
    """Every message that can be reached."""
    described, todo = {}, list(roots)
    while todo:
        message = todo.pop()
        if name(message) in described:
            continue
        fields, seen = {}, []
        for field in message.all_fields():
            kind = kind_of(field, seen)
            fields[json_names(message, field)] = "[" + kind + "]" if field.repeated else kind
        described[name(message)] = dict(sorted(fields.items()))
        todo += seen
    return dict(sorted(described.items()))


def methods(client, prefix):
    """Each method's configuration, by its id."""
    found = {}
    for service in vars(client).values():
        for attribute in dir(service):
            config = getattr(getattr(service, attribute, None), "method_config", None)
            if config is not None and hasattr(service, "GetMethodConfig"):
                config = config()
                found[config.method_id.removeprefix(prefix + ".")] = config
    return found


def export(api, wanted):
    """One API."""
    package, version = api.split("/")
    path = "googlecloudsdk.generated_clients.apis.%s.%s.%s_%s_" % (package, version, package, version)
    module = importlib.import_module(path + "messages")
    clients = importlib.import_module(path + "client")
    (client,) = [kind for kind in vars(clients).values() if isinstance(kind, type) and hasattr(kind, "MESSAGES_MODULE")]
    configs = methods(client(get_credentials=False, url="https://example.invalid/"), package)
    shown, roots = {}, []
    for method in wanted:
        config = configs[method]
        request = getattr(module, config.request_type_name)
        body = ""
        if config.request_field == "<request>":
            body = config.request_type_name
        elif config.request_field:
            body = request.field_by_name(config.request_field).type.__name__
        response = getattr(module, config.response_type_name)
        roots += [response] + ([getattr(module, body)] if body else [])
        query = {field: kind_of(request.field_by_name(field), []) for field in config.query_params}
        repeated = {field for field in config.query_params if request.field_by_name(field).repeated}
        # The flat path shows each segment of a name; where there is none, the other has them all.
        base = re.sub(r"^%s/" % version, "", config.flat_path or config.relative_path)
        shown[method] = {
            "http": config.http_method,
            "path": base,
            "query": {json_names(request, request.field_by_name(field)): "[%s]" % kind if field in repeated else kind for field, kind in sorted(query.items())},
            "request": body,
            "response": config.response_type_name,
        }
    with open(os.path.join(OUT, package + ".json"), "w") as out:
        json.dump({"api": api, "methods": shown, "messages": describe(roots)}, out, indent=1)
        out.write("\n")


for api, wanted in METHODS.items():
    export(api, wanted)
