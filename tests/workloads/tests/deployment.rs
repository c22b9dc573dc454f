//! `infra/deploy` and `infra/remove`, with an `aws` and a `sam` that write down what they are asked (W3.1).
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use workloads::{WORKLOADS, project_root, template, workload_template};

/// Answers like a Region in which everything is deployed. `WRITER` is the Region of the cluster that writes.
const AWS: &str = r#"#!/usr/bin/env bash
printf 'aws %s\n' "$*" >>"$CALLS"
region=$(sed -n 's/.*--region \([a-z0-9-]*\).*/\1/p' <<<"$*")
case "$*" in
  *"OutputKey=='$MISSING'"*) echo None ;;
  *OutputKey==*) sed "s/.*OutputKey=='\([A-Za-z]*\)'.*/\1-of-$region/" <<<"$*" ;;
  *describe-global-clusters*) [[ -z "$WRITER" ]] || echo "arn:aws:rds:$WRITER:123456789012:cluster:trading-dev-$WRITER" ;;
  *describe-stack-resources*inner*) printf 'AWS::S3::Bucket\tbucket-in-%s\n' "$region"
    [[ -z "${VAULT:-}" ]] || printf 'AWS::Backup::BackupVault\tvault-in-%s\n' "$region" ;;
  *list-recovery-points*) printf 'point-1-in-%s\tpoint-2-in-%s\n' "$region" "$region" ;;
  *get-parameters-by-path*) [[ -z "${VAULT:-}" ]] || printf '/edge/dev/api-key\n' ;;
  *describe-stack-resources*) printf 'AWS::CloudFormation::Stack\tinner\nAWS::EC2::VPC\tvpc\n' ;;
  *list-object-versions*) if [[ -f "$CALLS.$region" ]]; then echo '[]'; else touch "$CALLS.$region"; echo '[{"Key": "k", "VersionId": "v"}]'; fi ;;
  *"describe-stacks"*) [[ ! -f "$CALLS.gone.$region" ]] ;;
  *delete-stack*) touch "$CALLS.gone.$region" ;;
esac
"#;
const SAM: &str = "#!/usr/bin/env bash\nprintf 'sam %s\\n' \"$*\" >>\"$CALLS\"\n";

/// A folder with the two programs, for one test of one run; it goes with its owner.
struct Stage(PathBuf);

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Deref for Stage {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

fn stage(test: &str) -> Stage {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, text) in [("aws", AWS), ("sam", SAM)] {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a program");
    }
    Stage(folder)
}

fn run(script: &str, stage: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let path = format!("{}:{}", stage.display(), std::env::var("PATH").expect("a PATH"));
    let mut command = Command::new(project_root().join("infra").join(script));
    command.args(arguments).env("PATH", path).env("CALLS", stage.join("calls")).env("WRITER", "").env("MISSING", "-");
    command.envs(settings.iter().copied()).output().expect("it starts")
}

fn calls(stage: &Path, program: &str) -> Vec<String> {
    let text = std::fs::read_to_string(stage.join("calls")).unwrap_or_default();
    text.lines().filter(|line| line.starts_with(program)).map(str::to_owned).collect()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The parameters that a `sam deploy` was given.
fn parameters(call: &str) -> Vec<&str> {
    call.split_once("--parameter-overrides ").map(|(_, all)| all.split(' ').collect()).unwrap_or_default()
}

#[test]
fn w3_1_the_standby_gets_the_primarys_outputs_and_then_the_primary_the_standbys() {
    let stage = stage("three-steps");
    let arguments = [
        "payments-alb",
        "us-east-1",
        "us-west-2",
        "HostedZoneId=Z1",
        "primary.CertificateArn=p",
        "standby.CertificateArn=s",
    ];
    let output = run("deploy", &stage, &arguments, &[]);
    assert!(output.status.success(), "{}", said(&output));

    let deployed = calls(&stage, "sam ");
    let regions: Vec<_> = deployed.iter().map(|call| call.contains("--region us-east-1")).collect();
    assert_eq!(regions, [true, false, true], "{deployed:#?}");
    let first = ["RegionRole=primary", "PeerRegion=us-west-2", "HostedZoneId=Z1", "CertificateArn=p"];
    assert_eq!(parameters(&deployed[0]), first, "what a first deployment cannot know is left as it is");
    let second = [
        "RegionRole=standby",
        "PeerRegion=us-east-1",
        "HostedZoneId=Z1",
        "CertificateArn=s",
        "PrimarySecretArn=SecretArn-of-us-east-1",
        "PeerKeyArn=KeyArn-of-us-east-1",
        "PeerEndpointCheckId=EndpointCheckId-of-us-east-1",
    ];
    assert_eq!(parameters(&deployed[1]), second);
    let mut third = first.to_vec();
    third.extend(["PeerKeyArn=KeyArn-of-us-west-2", "PeerEndpointCheckId=EndpointCheckId-of-us-west-2"]);
    assert_eq!(parameters(&deployed[2]), third);
    assert!(said(&output).contains("[3/3]"));
}

#[test]
fn a_primary_that_needs_nothing_of_the_standby_is_deployed_once() {
    let stage = stage("two-steps");
    let output = run("deploy", &stage, &["trading", "eu-central-1", "eu-west-1", "EnvironmentSuffix=blue"], &[]);
    assert!(output.status.success(), "{}", said(&output));
    let deployed = calls(&stage, "sam ");
    assert_eq!(deployed.len(), 2);
    assert!(deployed.iter().all(|call| call.contains("--stack-name trading-blue")), "{deployed:#?}");
    assert!(parameters(&deployed[1]).contains(&"PrimaryTopicArn=TopicArn-of-eu-central-1"));
}

#[test]
fn each_workload_is_handed_over_what_its_template_says() {
    for (workload, home, standby) in WORKLOADS {
        let handover = template(&workload_template(workload)).expect("the template")["Metadata"]["Handover"].take();
        let stage = stage(&format!("handover-of-{workload}"));
        let output = run("deploy", &stage, &[workload, home, standby], &[]);
        assert!(output.status.success(), "{workload}: {}", said(&output));
        let deployed = calls(&stage, "sam ");
        for (step, side, from) in [(1, "Standby", home), (2, "Primary", standby)] {
            for (parameter, name) in handover[side].as_object().into_iter().flatten() {
                let wanted = format!("{parameter}={}-of-{from}", name.as_str().unwrap_or_default());
                assert!(
                    parameters(&deployed[step]).contains(&wanted.as_str()),
                    "{workload}: {wanted} in {deployed:#?}"
                );
            }
        }
    }
}

#[test]
fn an_output_that_is_missing_stops_the_deployment_before_the_standby() {
    let stage = stage("missing-output");
    let output = run("deploy", &stage, &["trading", "eu-central-1", "eu-west-1"], &[("MISSING", "SecretArn")]);
    assert!(!output.status.success());
    assert!(said(&output).contains("no output SecretArn"), "{}", said(&output));
    assert_eq!(calls(&stage, "sam ").len(), 1);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    for (arguments, reason) in [
        (vec!["trading", "eu-central-1"], "usage"),
        (vec!["nonsense", "eu-central-1", "eu-west-1"], "no workload nonsense"),
        (vec!["trading", "eu-west-1", "eu-west-1"], "the same"),
        (vec!["trading", "eu-central-1", "eu-west-1", "Oops"], "no NAME=VALUE"),
    ] {
        let stage = stage("refused");
        let output = run("deploy", &stage, &arguments, &[]);
        assert!(!output.status.success() && said(&output).contains(reason), "{arguments:?}: {}", said(&output));
        assert!(!stage.join("calls").exists());
    }
}

#[test]
fn removing_empties_the_buckets_and_deletes_the_standby_before_the_primary() {
    let stage = stage("remove");
    let arguments = ["trading", "eu-central-1", "eu-west-1", "--yes"];
    let output = run("remove", &stage, &arguments, &[("WRITER", "eu-central-1")]);
    assert!(output.status.success(), "{}", said(&output));
    let changed: Vec<_> = calls(&stage, "aws ").into_iter().filter(|call| call.contains(" delete-")).collect();
    let short: Vec<_> =
        changed.iter().map(|call| call.split(' ').skip(2).take(5).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        short,
        [
            "delete-objects --region eu-west-1 --bucket bucket-in-eu-west-1",
            "delete-stack --region eu-west-1 --stack-name trading-dev",
            "delete-objects --region eu-central-1 --bucket bucket-in-eu-central-1",
            "delete-stack --region eu-central-1 --stack-name trading-dev",
        ]
    );
    // Once more: there is nothing left, and that is no error.
    let again = run("remove", &stage, &arguments, &[]);
    assert!(again.status.success(), "{}", said(&again));
}

#[test]
fn w4_10_removing_deletes_backups_and_the_parameters_that_no_template_has() {
    let stage = stage("remove-edge");
    let output = run("remove", &stage, &["edge", "us-east-1", "us-east-2", "--yes"], &[("VAULT", "yes")]);
    assert!(output.status.success(), "{}", said(&output));
    let asked = calls(&stage, "aws ");
    for region in ["us-east-2", "us-east-1"] {
        let place =
            |wanted: &str| asked.iter().position(|call| call.contains(wanted)).unwrap_or_else(|| panic!("{wanted}"));
        let gone = place(&format!("delete-stack --region {region}"));
        for point in ["point-1", "point-2"] {
            let vault = format!("--region {region} --backup-vault-name vault-in-{region}");
            assert!(place(&format!("delete-recovery-point {vault} --recovery-point-arn {point}-in-{region}")) < gone);
        }
        assert!(place(&format!("get-parameters-by-path --region {region} --path /edge/dev ")) < gone);
        assert!(place(&format!("delete-parameter --region {region} --name /edge/dev/api-key")) < gone);
    }
}

#[test]
fn nothing_is_removed_while_the_standby_writes_or_without_a_yes() {
    let stage = stage("not-removed");
    let regions = ["trading", "eu-central-1", "eu-west-1"];
    let writes = run("remove", &stage, &[&regions[..], &["--yes"]].concat(), &[("WRITER", "eu-west-1")]);
    assert!(!writes.status.success() && said(&writes).contains("fail back to eu-central-1"), "{}", said(&writes));
    let unsure = run("remove", &stage, &regions, &[]);
    assert!(!unsure.status.success(), "nobody typed the name");
    assert!(!calls(&stage, "aws ").iter().any(|call| call.contains(" delete-")));
}
