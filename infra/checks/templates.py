"""Checks the templates with checkov's policies, and that checkov saw every resource of them.

Exits with 1 when there is a finding, an exception without a reason, or a resource that was not looked at.
"""

import json
import os
import subprocess
import sys

from cloudformation import ROOT, read_template, template_files

CONFIGURATION = "infra/checks/checkov.yaml"
# A reason that is shorter gives none.
SHORTEST_REASON = 20
TIME_LIMIT_SECONDS = 300


def run_checkov():
    """checkov's report about the CloudFormation templates."""
    program = os.path.join(os.path.dirname(sys.executable), "checkov")
    result = subprocess.run(
        [program, "--config-file", CONFIGURATION],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
        check=False,
    )
    # 0 - no findings, 1 - findings.
    if result.returncode not in (0, 1):
        sys.exit(f"checkov ended with {result.returncode}:\n{result.stderr}")
    try:
        return json.loads(result.stdout)
    except json.JSONDecodeError:
        sys.exit(f"checkov's report cannot be read:\n{result.stdout[:2000]}\n{result.stderr}")


def place(record):
    """Where a finding is, for people."""
    first_line = record["file_line_range"][0]
    return f"{record['repo_file_path'].lstrip('/')}:{first_line}: {record['resource'].split('.')[-1]}"


def main():
    """Runs checkov, and says what it found."""
    report = run_checkov()
    results, summary = report["results"], report["summary"]
    wrong = [
        f"{place(record)}: {record['check_id']}: {record['check_name']}" for record in results["failed_checks"]
    ]
    wrong += [f"{file}: checkov cannot read it" for file in results["parsing_errors"]]
    for record in results["skipped_checks"]:
        reason = record["check_result"].get("suppress_comment") or ""
        if len(reason.strip()) < SHORTEST_REASON:
            wrong.append(f"{place(record)}: the exception from {record['check_id']} gives no reason")
    resources = sum(len(read_template(path)[0]["Resources"]) for path in template_files())
    if summary["resource_count"] != resources:
        wrong.append(f"checkov saw {summary['resource_count']} resources, and there are {resources}")
    print("\n".join(wrong) if wrong else "no findings", end="")
    print(
        f" ({len(template_files())} templates, {resources} resources, {summary['passed']} checks passed,"
        f" {summary['skipped']} exceptions with their reasons)"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
