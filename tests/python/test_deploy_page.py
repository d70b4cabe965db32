"""docs/DEPLOY.md: manifests say what the page says of them, flags buy their level, the table is computed."""

from __future__ import annotations

import configparser
import json
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

import outer
import sizing
from outer import in_other_conditions

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "DEPLOY.md").read_text(encoding="utf-8")
#: Numbers of x86-64.
CALLS = {"pivot_root": 155, "mount": 165, "umount2": 166, "sethostname": 170, "unshare": 272}
CAPABILITIES = {"CAP_DAC_OVERRIDE": 1, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8}

root = pytest.mark.skipif(os.geteuid() != 0, reason="changes users and filters, for which it must be root")


def block(kind: str) -> str:
    found = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, kind
    text: str = found[0]
    return text


def test_the_sizing_table_is_what_the_script_says() -> None:
    assert sizing.written(PAGE, sizing.table(sizing.Assumed())) == PAGE
    assert sizing.MEASURED.request_ms > 0
    # What grows, grows.
    small, large = (sizing.table(sizing.Assumed(session_seconds=seconds)) for seconds in (1, 100))
    assert int(large.splitlines()[-1].split("|")[-2]) > int(small.splitlines()[-1].split("|")[-2])


def test_the_manifests() -> None:
    things: dict[str, dict[str, Any]] = {one["kind"]: one for one in yaml.safe_load_all(block("yaml"))}
    assert {*things} == {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
    }
    for one in things.values():
        assert {"apiVersion", "kind", "metadata", "spec"} == {*one}
        assert one["metadata"]["name"] == "dana-service"
    deployment = things["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    assert deployment["replicas"] > 1
    pod = deployment["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod["initContainers"], *pod["containers"]]:
        locked = container["securityContext"]
        assert locked["allowPrivilegeEscalation"] is False
        assert locked["readOnlyRootFilesystem"] is True
        assert locked["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in locked
        assert container["resources"]["requests"]["memory"]
        assert container["resources"]["limits"]["memory"]
    (service,) = pod["containers"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} < {*service}
    assert service["ports"] == [{"name": "http", "containerPort": 8000}]
    environment = {one["name"]: one for one in service["env"]}
    assert environment["DANA_REQUIRE_ISOLATION"]["value"] == "1"
    assert "value" not in environment["OPENAI_API_KEY"], "a key is no text of a manifest"
    graceful = int(service["args"][service["args"].index("--timeout-graceful-shutdown") + 1])
    pause = int(service["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > graceful + pause
    for kind, spec in things.items():
        if kind == "Service":
            assert spec["spec"]["selector"] == labels
            assert spec["spec"]["ports"][0]["targetPort"] == "http"
            assert "sessionAffinity" not in spec["spec"]
        elif kind == "PodDisruptionBudget":
            assert spec["spec"]["selector"]["matchLabels"] == labels
            assert spec["spec"]["maxUnavailable"] < deployment["replicas"]
        elif kind == "HorizontalPodAutoscaler":
            assert spec["spec"]["scaleTargetRef"]["name"] == "dana-service"
            assert spec["spec"]["minReplicas"] == deployment["replicas"] < spec["spec"]["maxReplicas"]
        elif kind == "NetworkPolicy":
            assert spec["spec"]["podSelector"]["matchLabels"] == labels


def units() -> list[dict[str, list[str]]]:
    """The settings of both units, the section [Service]."""
    found = []
    for text in re.findall(r'^```text title="/etc/systemd[^\n]*\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL):
        settings = defaultdict(list)
        section = ""
        for line in text.splitlines():
            if line.startswith("["):
                section = line
            elif line and not line.startswith("#") and section == "[Service]":
                name, sign, value = line.partition("=")
                assert sign, line
                settings[name].append(value)
        found.append(settings)
        configparser.ConfigParser(strict=False, interpolation=None).read_string(text)
    assert len(found) == 2
    return found


def test_the_units() -> None:
    plain, contained = units()
    assert plain["KillMode"] == ["mixed"]
    assert plain["OOMPolicy"] == ["continue"]
    graceful = int(plain["ExecStart"][0].split("--timeout-graceful-shutdown ")[1].split()[0])
    assert int(plain["TimeoutStopSec"][0]) > graceful
    assert contained["Delegate"] == ["memory pids"]
    assert contained["DelegateSubgroup"] == ["service"]


@root
def test_what_buys_namespaced_in_docker() -> None:
    entry = json.loads(block("json"))
    assert entry["action"] == "SCMP_ACT_ALLOW"
    assert {*entry["names"]} == {*CALLS}
    who: list[dict[str, Any]] = [{"capabilities": outer.DOCKER_CAPABILITIES}, {"user": 65534}]
    bought = {CALLS[name] for name in entry["names"]}
    enough = [rule for rule in outer.DOCKER if rule[0] not in bought]
    settings = {"isolation": "namespaced"}
    for found in in_other_conditions([{"rules": enough, "settings": settings, **one} for one in who]):
        assert (found["level"], found["answer"]) == ("namespaced", 42)
    # Each of them is needed.
    short = [[rule for rule in outer.DOCKER if rule[0] not in bought - {number}] for number in sorted(bought)]
    for found in in_other_conditions([{"rules": rules, "settings": settings, **who[1]} for rules in short]):
        assert found["level"] == "landlocked"


@root
def test_what_buys_contained_in_a_unit() -> None:
    named = units()[1]["CapabilityBoundingSet"]
    assert named[0] == "", "an empty line first: lists of drop-ins are added to"
    mask = sum(1 << CAPABILITIES[name] for name in named[1].split())
    (found,) = in_other_conditions(
        [{"rules": [], "capabilities": mask, "settings": {"isolation": "contained"}}]
    )
    assert (found["level"], found["answer"]) == ("contained", 42)
