"""Reads CloudFormation templates with their line numbers, which the checks tell and look for exceptions by."""

import glob
import os

import yaml

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
TEMPLATES = ["infra/*.yaml", "infra/modules/*.yaml", "infra/workloads/*.yaml"]


class Mapping(dict):
    """A mapping that knows its first line, from 1, and the line after its last."""

    first_line: int
    end_line: int


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, as their long forms."""


def _mapping(loader, node):
    mapping = Mapping(loader.construct_pairs(node, deep=True))
    mapping.first_line = node.start_mark.line + 1
    # A block ends where the next one begins, which may be some lines further down.
    mapping.end_line = node.end_mark.line + 1
    return mapping


def _function(loader, name, node):
    long_name = name if name in ("Ref", "Condition") else f"Fn::{name}"
    if isinstance(node, yaml.ScalarNode):
        return {long_name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {long_name: loader.construct_sequence(node, deep=True)}
    return {long_name: _mapping(loader, node)}


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
Loader.add_multi_constructor("!", _function)


def template_files():
    """The templates, by path from the project's root."""
    return sorted(path for pattern in TEMPLATES for path in glob.glob(pattern, root_dir=ROOT))


def read_template(path):
    """A template, and its lines."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    return yaml.load(text, Loader), text.splitlines()
