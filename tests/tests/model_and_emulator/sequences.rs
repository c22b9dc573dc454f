//! What is played on both sides, as data.

use failover::contract::Initiator;
use failover::ledger::Event;
use serde_json::{Value, json};
use simulation::aws::route53::{
    Action, CONTROLLED_RECORD, Edit, FULL_WEIGHT, RecordSet, Routing, Target, WEIGHTED_RECORD,
};
use simulation::aws::{ACCOUNT, accelerator, aurora, routing_control, s3, sns};
use simulation::matrix::{self, commands::Asked, rows::Before};
use simulation::workload::{
    COMPOSITE_ALARM, ECS_CLUSTER, GLOBAL_CLUSTER, HOME, HOSTED_ZONE, RECORD, SERVICES, STANDBY, db_cluster,
    db_cluster_arn, set_identifier,
};

use crate::ask::containers::{OfAutoScaling, OfEcs};
use crate::ask::database::Change;
use crate::ask::traffic::{OfAccelerator, OfBucket, OfCluster};
use crate::ask::{Call, containers, database, ledger, records, steps, traffic, watching};
use crate::local_workload::ROLE;

/// So long nothing is left under way in the simulation, in seconds.
const UNTIL_ALL_RESTS: u64 = 1_200;
/// So long after a promotion began its state shows, in seconds.
const UNTIL_IT_SHOWS: u64 = 4;
/// So long until every name server has a change, in seconds.
const UNTIL_IN_SYNC: u64 = 61;
/// So long a safety rule wants a change to be after another, in seconds.
const UNTIL_CHANGEABLE: u64 = 6;

/// A health check that was never there.
const UNKNOWN_CHECK: &str = "0d1f8f5c-0000-4000-8000-00000000dead";

/// Calls in their order, played on a workload of their own.
pub(crate) struct Sequence {
    pub(crate) name: &'static str,
    /// Whether the local AWS is asked past its gateway, which answers for what the emulator lacks.
    pub(crate) past_the_gateway: bool,
    pub(crate) steps: Vec<Step>,
}

/// One step of a sequence.
pub(crate) enum Step {
    /// A call, by a name that says what it is about.
    Call(&'static str, Call),
    /// So many seconds pass in the simulation. The emulator does everything at once.
    Pass(u64),
}

/// All sequences.
pub(crate) fn all() -> Vec<Sequence> {
    let mut all = of_calls();
    all.extend(matrix::rows::table().iter().filter_map(of_step));
    all
}

/// The steps of the step matrix with their requests: each is looked at before, tried, done, and asked for again.
fn of_step(row: &matrix::rows::Row) -> Option<Sequence> {
    let Asked::Known(request) = &row.request else { return None };
    if row.function == "health-probe" || row.before == Before::HomeLost {
        return None;
    }
    let step = |name, run: Value| {
        let mut request = request.clone();
        request["run"] = run;
        Step::Call(name, Call::Step(steps::Call { function: row.function, request }))
    };
    let run = json!({ "failover_id": "f1" });
    let calls = vec![
        step("preflight", json!({ "failover_id": "f1", "preflight": true })),
        step("dry run", json!({ "failover_id": "f1", "dry_run": true })),
        step("the step", run.clone()),
        Step::Pass(UNTIL_ALL_RESTS),
        step("the step once more", run),
        step("preflight afterwards", json!({ "failover_id": "f1", "preflight": true })),
    ];
    Some(sequence(row.name, calls))
}

fn of_calls() -> Vec<Sequence> {
    vec![
        sequence("a failover of Aurora", aurora_failover()),
        sequence("a switchover of Aurora and back", aurora_switchover()),
        sequence("a detach from the global cluster", aurora_detach()),
        sequence("a failover asked for in the writer's Region", vec![failover_to("it", HOME, db_cluster_arn(STANDBY))]),
        sequence(
            "a switchover asked for in the target's Region",
            vec![switchover_to("it", STANDBY, db_cluster_arn(STANDBY))],
        ),
        sequence("a detach asked for in the writer's Region", vec![remove("it", HOME, db_cluster_arn(STANDBY))]),
        sequence("a detach of the writer", vec![remove("it", HOME, db_cluster_arn(HOME))]),
        sequence("security groups of a cluster", aurora_security_groups()),
        sequence("counts of services", counts()),
        sequence("limits of services", limits()),
        sequence("records change their roles", records_change_roles()),
        sequence("refused changes of records", refused_changes()),
        sequence("changes that do not fit the zone", unfit_changes()),
        sequence("answers of name servers", dns_answers()),
        sequence("the standby object", standby_object()),
        sequence("routing controls", routing_controls()),
        sequence("traffic dials", traffic_dials()),
        sequence("alarms and the lag", alarms_and_lag()),
        sequence("topics", topics()),
        sequence("permissions", permissions()),
        sequence("executions", executions()),
        sequence("an operation in the ledger", ledger_operation()),
        sequence("a plan in the ledger", ledger_plan()),
        Sequence { past_the_gateway: true, ..sequence("what the emulator lacks", lacking()) },
    ]
}

fn sequence(name: &'static str, steps: Vec<Step>) -> Sequence {
    Sequence { name, past_the_gateway: false, steps }
}

fn rds(name: &'static str, region: &'static str, what: database::What) -> Step {
    Step::Call(name, Call::Database(database::Call { region, what }))
}

fn promote(name: &'static str, region: &'static str, change: Change) -> Step {
    rds(name, region, database::What::Change(change))
}

fn failover_to(name: &'static str, region: &'static str, target: String) -> Step {
    promote(name, region, Change::FailoverGlobalCluster { global: GLOBAL_CLUSTER, target, switchover: false })
}

fn switchover_to(name: &'static str, region: &'static str, target: String) -> Step {
    promote(name, region, Change::SwitchoverGlobalCluster { global: GLOBAL_CLUSTER, target })
}

fn remove(name: &'static str, region: &'static str, cluster: String) -> Step {
    promote(name, region, Change::RemoveFromGlobalCluster { global: GLOBAL_CLUSTER, cluster })
}

fn global_cluster(name: &'static str, region: &'static str) -> Step {
    rds(name, region, database::What::DescribeGlobalClusters { global: GLOBAL_CLUSTER })
}

fn cluster(name: &'static str, region: &'static str) -> Step {
    rds(name, region, database::What::DescribeDbClusters { cluster: db_cluster(region) })
}

fn instances(name: &'static str, region: &'static str) -> Step {
    rds(name, region, database::What::DescribeDbInstances { cluster: db_cluster(region) })
}

/// A cluster that was never there.
fn nobody() -> String {
    format!("arn:aws:rds:{STANDBY}:{ACCOUNT}:cluster:nobody")
}

fn aurora_failover() -> Vec<Step> {
    use database::What;
    let (home, standby) = (db_cluster_arn(HOME), db_cluster_arn(STANDBY));
    let of_nobody = Change::FailoverGlobalCluster { global: "nobody", target: standby.clone(), switchover: false };
    let both = Change::FailoverGlobalCluster { global: GLOBAL_CLUSTER, target: standby.clone(), switchover: true };
    vec![
        global_cluster("the global cluster, seen at home", HOME),
        global_cluster("the global cluster, seen in the standby Region", STANDBY),
        cluster("the cluster at home", HOME),
        cluster("the cluster in the standby Region", STANDBY),
        instances("the instances at home", HOME),
        instances("the instances in the standby Region", STANDBY),
        rds("an unknown global cluster", STANDBY, What::DescribeGlobalClusters { global: "nobody" }),
        rds("an unknown cluster", STANDBY, What::DescribeDbClusters { cluster: "nobody" }),
        rds("instances of an unknown cluster", STANDBY, What::DescribeDbInstances { cluster: "nobody" }),
        rds("a cluster of another Region", STANDBY, What::DescribeDbClusters { cluster: db_cluster(HOME) }),
        promote("of an unknown global cluster", STANDBY, of_nobody),
        failover_to("to an unknown cluster", STANDBY, nobody()),
        failover_to("to the writer", HOME, home.clone()),
        promote("and a switchover at the same time", STANDBY, both),
        failover_to("to the standby Region", STANDBY, standby.clone()),
        Step::Pass(UNTIL_IT_SHOWS),
        global_cluster("the global cluster a moment later", STANDBY),
        failover_to("once more a moment later", STANDBY, standby.clone()),
        Step::Pass(UNTIL_ALL_RESTS),
        global_cluster("the global cluster afterwards, seen at home", HOME),
        global_cluster("the global cluster afterwards, seen in the standby Region", STANDBY),
        cluster("the cluster at home afterwards", HOME),
        cluster("the cluster in the standby Region afterwards", STANDBY),
        instances("the instances in the standby Region afterwards", STANDBY),
        rds("the events at home", HOME, What::DescribeEvents { seconds: 1_300 }),
        rds("the events in the standby Region", STANDBY, What::DescribeEvents { seconds: 1_300 }),
        failover_to("to the standby Region, which is the writer now", STANDBY, standby),
    ]
}

fn aurora_switchover() -> Vec<Step> {
    let (home, standby) = (db_cluster_arn(HOME), db_cluster_arn(STANDBY));
    let of_nobody = Change::SwitchoverGlobalCluster { global: "nobody", target: standby.clone() };
    vec![
        promote("of an unknown global cluster", HOME, of_nobody),
        switchover_to("to an unknown cluster", HOME, nobody()),
        switchover_to("to the writer", HOME, home.clone()),
        switchover_to("to the standby Region", HOME, standby.clone()),
        Step::Pass(UNTIL_IT_SHOWS),
        global_cluster("the global cluster a moment later", HOME),
        Step::Pass(UNTIL_ALL_RESTS),
        global_cluster("the global cluster afterwards", HOME),
        cluster("the cluster at home afterwards", HOME),
        cluster("the cluster in the standby Region afterwards", STANDBY),
        switchover_to("to the standby Region once more", STANDBY, standby),
        switchover_to("back home", STANDBY, home),
        Step::Pass(UNTIL_ALL_RESTS),
        global_cluster("the global cluster in the end", HOME),
        cluster("the cluster at home in the end", HOME),
    ]
}

fn aurora_detach() -> Vec<Step> {
    let standby = db_cluster_arn(STANDBY);
    let from_nobody = Change::RemoveFromGlobalCluster { global: "nobody", cluster: standby.clone() };
    vec![
        promote("from an unknown global cluster", STANDBY, from_nobody),
        remove("of an unknown cluster", STANDBY, nobody()),
        remove("of the standby Region's cluster", STANDBY, standby.clone()),
        Step::Pass(UNTIL_ALL_RESTS),
        global_cluster("the global cluster afterwards, seen at home", HOME),
        global_cluster("the global cluster afterwards, seen in the standby Region", STANDBY),
        cluster("the cluster at home afterwards", HOME),
        cluster("the cluster in the standby Region afterwards", STANDBY),
        instances("the instances in the standby Region afterwards", STANDBY),
        remove("once more", STANDBY, standby.clone()),
        failover_to("a failover to what is no member", STANDBY, standby),
    ]
}

fn aurora_security_groups() -> Vec<Step> {
    let give = |cluster, group| Change::ModifyDbCluster { cluster, group };
    let standby = db_cluster(STANDBY);
    vec![
        promote("of an unknown cluster", STANDBY, give("nobody", aurora::CLOSED_GROUP)),
        promote("of a cluster of another Region", HOME, give(standby, aurora::CLOSED_GROUP)),
        promote("an unknown group", STANDBY, give(standby, "sg-0bad0bad0bad0bad0")),
        promote("the closed group", STANDBY, give(standby, aurora::CLOSED_GROUP)),
        Step::Pass(UNTIL_ALL_RESTS),
        cluster("the isolated cluster", STANDBY),
        promote("the serving group", STANDBY, give(standby, aurora::SERVING_GROUP)),
        Step::Pass(UNTIL_ALL_RESTS),
        cluster("the cluster in the end", STANDBY),
    ]
}

fn ecs(name: &'static str, region: &'static str, of_ecs: OfEcs) -> Step {
    Step::Call(name, Call::Containers(containers::Call { region, what: containers::What::Ecs(of_ecs) }))
}

fn scaling(name: &'static str, of_autoscaling: OfAutoScaling) -> Step {
    let what = containers::What::AutoScaling(of_autoscaling);
    Step::Call(name, Call::Containers(containers::Call { region: STANDBY, what }))
}

fn quota(name: &'static str, code: &'static str) -> Step {
    let what = containers::What::GetServiceQuota { code };
    Step::Call(name, Call::Containers(containers::Call { region: STANDBY, what }))
}

fn services(name: &'static str, region: &'static str) -> Step {
    ecs(name, region, OfEcs::DescribeServices { cluster: ECS_CLUSTER, services: &SERVICES })
}

fn counts() -> Vec<Step> {
    let definition = |of: &str| format!("arn:aws:ecs:{STANDBY}:{ACCOUNT}:task-definition/{of}:1");
    let count = |service, count| OfEcs::UpdateService { cluster: ECS_CLUSTER, service, count };
    let some = &[SERVICES[0], "nobody"];
    let eleven = &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
    vec![
        ecs("the services", STANDBY, OfEcs::ListServices { cluster: ECS_CLUSTER }),
        ecs("the services of an unknown cluster", STANDBY, OfEcs::ListServices { cluster: "nobody" }),
        services("what they are at home", HOME),
        services("what they are in the standby Region", STANDBY),
        ecs("one that is missing", STANDBY, OfEcs::DescribeServices { cluster: ECS_CLUSTER, services: some }),
        ecs("in an unknown cluster", STANDBY, OfEcs::DescribeServices { cluster: "nobody", services: some }),
        ecs("none", STANDBY, OfEcs::DescribeServices { cluster: ECS_CLUSTER, services: &[] }),
        ecs("more than ten", STANDBY, OfEcs::DescribeServices { cluster: ECS_CLUSTER, services: eleven }),
        ecs("a count of one that is missing", STANDBY, count("nobody", 3)),
        ecs(
            "a count in an unknown cluster",
            STANDBY,
            OfEcs::UpdateService { cluster: "nobody", service: SERVICES[0], count: 3 },
        ),
        ecs("more tasks", STANDBY, count(SERVICES[0], 3)),
        Step::Pass(UNTIL_ALL_RESTS),
        services("what they are with more tasks", STANDBY),
        ecs("no tasks", STANDBY, count(SERVICES[0], 0)),
        Step::Pass(UNTIL_ALL_RESTS),
        services("what they are with no tasks", STANDBY),
        ecs("its size", STANDBY, OfEcs::DescribeTaskDefinition { definition: definition(SERVICES[0]) }),
        ecs("an unknown one's size", STANDBY, OfEcs::DescribeTaskDefinition { definition: definition("nobody") }),
    ]
}

fn limits() -> Vec<Step> {
    let register = |service, min, max, suspend| OfAutoScaling::RegisterScalableTarget { service, min, max, suspend };
    let described = |name| scaling(name, OfAutoScaling::DescribeScalableTargets { services: &SERVICES });
    vec![
        described("in the beginning"),
        scaling("of a service that is missing", OfAutoScaling::DescribeScalableTargets { services: &["nobody"] }),
        scaling("for a service that is missing", register("nobody", 1, 4, None)),
        scaling("a minimum over the maximum", register(SERVICES[0], 5, 4, None)),
        scaling("a minimum over the count", register(SERVICES[0], 3, 6, None)),
        Step::Pass(UNTIL_ALL_RESTS),
        described("with a higher minimum"),
        services("the count is moved up", STANDBY),
        scaling("suspended", register(SERVICES[0], 3, 6, Some(true))),
        Step::Pass(UNTIL_ALL_RESTS),
        described("while they are suspended"),
        scaling("a maximum under the count", register(SERVICES[0], 0, 1, None)),
        Step::Pass(UNTIL_ALL_RESTS),
        described("with a lower maximum, suspended as before"),
        services("the count is moved down", STANDBY),
        scaling("not suspended any more", register(SERVICES[0], 0, 1, Some(false))),
        Step::Pass(UNTIL_ALL_RESTS),
        described("in the end"),
    ]
}

fn dns(name: &'static str, call: records::Call) -> Step {
    Step::Call(name, Call::Records(call))
}

fn change(name: &'static str, edits: Vec<Edit>) -> Step {
    dns(name, records::Call::ChangeResourceRecordSets { zone: HOSTED_ZONE, edits })
}

fn list(name: &'static str, of: &'static str, kind: &'static str) -> Step {
    dns(name, records::Call::ListResourceRecordSets { zone: HOSTED_ZONE, name: of, kind })
}

fn delete(set: RecordSet) -> Edit {
    Edit { action: Action::Delete, set }
}

fn create(set: RecordSet) -> Edit {
    Edit { action: Action::Create, set }
}

/// A Region's record set of this name and type, as it is in the beginning.
fn set_of(name: &str, kind: &str, region: &str) -> RecordSet {
    let aws = simulation::aws::Aws::new(1);
    let wanted = |set: &&RecordSet| {
        set.name.trim_end_matches('.') == name
            && set.record_type == kind
            && set.set_identifier.as_deref() == Some(set_identifier(region))
    };
    aws.route53.sets().iter().find(wanted).expect("a record set of the workload").clone()
}

fn with(set: RecordSet, routing: Routing) -> RecordSet {
    RecordSet { routing, ..set }
}

/// The failover pair of a type changes its roles, from those that it has.
fn swap(kind: &str, primary: &str, secondary: &str) -> Vec<Edit> {
    let (first, second) = (set_of(RECORD, kind, primary), set_of(RECORD, kind, secondary));
    vec![
        delete(with(first.clone(), Routing::Primary)),
        delete(with(second.clone(), Routing::Secondary)),
        create(with(first, Routing::Secondary)),
        create(with(second, Routing::Primary)),
    ]
}

fn records_change_roles() -> Vec<Step> {
    let weighs = |region, before, after| {
        let set = set_of(WEIGHTED_RECORD, "AAAA", region);
        [delete(with(set.clone(), Routing::Weighted(before))), create(with(set, Routing::Weighted(after)))]
    };
    let to_standby = [weighs(HOME, FULL_WEIGHT, 0), weighs(STANDBY, 0, FULL_WEIGHT)].concat();
    vec![
        list("the whole zone from a record on", RECORD, "A"),
        change("of both types", [swap("A", HOME, STANDBY), swap("AAAA", HOME, STANDBY)].concat()),
        dns("how far it is at once", records::Call::GetNewestChange),
        Step::Pass(UNTIL_IN_SYNC),
        dns("how far it is a minute later", records::Call::GetNewestChange),
        list("the zone afterwards", RECORD, "A"),
        change("the same change once more", swap("AAAA", HOME, STANDBY)),
        change("back again", swap("AAAA", STANDBY, HOME)),
        change("of weights", to_standby),
        list("the weights afterwards", WEIGHTED_RECORD, "AAAA"),
    ]
}

fn refused_changes() -> Vec<Step> {
    use records::Call as Dns;
    let primary = || set_of(RECORD, "AAAA", HOME);
    let longer = RecordSet { target: Target::Values { ttl: 61, values: vec!["2001:db8::c".to_owned()] }, ..primary() };
    let unchecked = RecordSet { health_check: None, ..primary() };
    let unknown = RecordSet { name: "nobody.example.com.".to_owned(), ..primary() };
    let in_part = vec![delete(set_of(RECORD, "AAAA", STANDBY)), delete(unknown.clone())];
    let no_zone = Dns::ChangeResourceRecordSets { zone: "ZNOBODY", edits: vec![delete(primary())] };
    vec![
        dns("in an unknown zone", no_zone),
        dns("a list of an unknown zone", Dns::ListResourceRecordSets { zone: "ZNOBODY", name: RECORD, kind: "A" }),
        change("deletes what is not there", vec![delete(unknown)]),
        change("deletes what has another TTL", vec![delete(longer)]),
        change("deletes what has a health check as if it had none", vec![delete(unchecked)]),
        change("deletes what has another role", vec![delete(with(primary(), Routing::Secondary))]),
        change("creates what is there", vec![create(primary())]),
        change("of which one part cannot be", in_part),
        list("the zone afterwards", RECORD, "AAAA"),
        dns("an unknown change", Dns::GetChange { id: "C0NOBODY" }),
        dns("a health check", Dns::GetHealthCheck { id: "0d1f8f5c-0000-4000-8000-000000000001" }),
        dns("an unknown health check", Dns::GetHealthCheck { id: UNKNOWN_CHECK }),
    ]
}

/// Another primary of the failover pair.
fn another(identifier: &str) -> RecordSet {
    RecordSet { set_identifier: Some(identifier.to_owned()), ..set_of(RECORD, "AAAA", HOME) }
}

fn unfit_changes() -> Vec<Step> {
    let simple = RecordSet {
        set_identifier: None,
        routing: Routing::Simple,
        health_check: None,
        ..set_of(RECORD, "AAAA", HOME)
    };
    let unchecked = RecordSet { health_check: Some(UNKNOWN_CHECK.to_owned()), ..set_of(RECORD, "AAAA", STANDBY) };
    vec![
        change("with an unknown health check", vec![delete(set_of(RECORD, "AAAA", STANDBY)), create(unchecked)]),
        change("creates a second primary", vec![create(another("third"))]),
        change(
            "creates a weighted one beside a failover pair",
            vec![create(with(another("fourth"), Routing::Weighted(1)))],
        ),
        change("creates a simple one beside a failover pair", vec![create(simple)]),
    ]
}

fn dns_answers() -> Vec<Step> {
    let ask = |name, of, kind| dns(name, records::Call::TestDnsAnswer { zone: HOSTED_ZONE, name: of, kind });
    let no_zone = records::Call::TestDnsAnswer { zone: "ZNOBODY", name: RECORD, kind: "A" };
    vec![
        ask("of a failover pair", RECORD, "AAAA"),
        ask("of weights", WEIGHTED_RECORD, "AAAA"),
        ask("of routing controls", CONTROLLED_RECORD, "AAAA"),
        ask("of another type", RECORD, "CNAME"),
        ask("of an unknown name", "nobody.example.com", "A"),
        dns("of an unknown zone", no_zone),
        change("the pair changes its roles", swap("AAAA", HOME, STANDBY)),
        Step::Pass(UNTIL_IN_SYNC),
        ask("of the pair afterwards", RECORD, "AAAA"),
    ]
}

fn object(name: &'static str, call: OfBucket) -> Step {
    Step::Call(name, Call::Traffic(traffic::Call::Object(call)))
}

fn control(name: &'static str, call: OfCluster) -> Step {
    Step::Call(name, Call::Traffic(traffic::Call::Control(call)))
}

fn dial(name: &'static str, call: OfAccelerator) -> Step {
    Step::Call(name, Call::Traffic(traffic::Call::Dial(call)))
}

fn standby_object() -> Vec<Step> {
    use OfBucket::{DeleteObject, HeadBucket, HeadObject, PutObject};
    let (region, bucket, key, owner) = (STANDBY, s3::BUCKET, s3::KEY, ACCOUNT);
    let other = "210987654321";
    vec![
        object("the bucket", HeadBucket { region, bucket, owner }),
        object("an unknown bucket", HeadBucket { region, bucket: "failover-nobody", owner }),
        object("the bucket of another owner", HeadBucket { region, bucket, owner: other }),
        object("the bucket, asked for in another Region", HeadBucket { region: HOME, bucket, owner }),
        object("before it is there", HeadObject { region, bucket, key }),
        object("in an unknown bucket", HeadObject { region, bucket: "failover-nobody", key }),
        object("written to an unknown bucket", PutObject { region, bucket: "failover-nobody", key, owner }),
        object("written", PutObject { region, bucket, key, owner }),
        object("written once more", PutObject { region, bucket, key, owner }),
        object("while it is there", HeadObject { region, bucket, key }),
        object("deleted", DeleteObject { region, bucket, key }),
        object("deleted once more", DeleteObject { region, bucket, key }),
        object("afterwards", HeadObject { region, bucket, key }),
        object("written to another owner's bucket", PutObject { region, bucket, key, owner: other }),
    ]
}

fn routing_controls() -> Vec<Step> {
    use OfCluster::{GetRoutingControlState, UpdateRoutingControlStates};
    let (home, standby) = (routing_control::control(HOME), routing_control::control(STANDBY));
    let unknown = || routing_control::control("nobody");
    let get = |name, endpoint, of: String| control(name, GetRoutingControlState { endpoint, control: of });
    let set = |name, endpoint, states| control(name, UpdateRoutingControlStates { endpoint, states });
    vec![
        get("at home", "eu-west-1", home.clone()),
        get("in the standby Region", "us-east-1", standby.clone()),
        get("an unknown one", "us-west-2", unknown()),
        set("one of them unknown", "eu-west-1", vec![(standby.clone(), true), (unknown(), false)]),
        get("which changed nothing", "eu-west-1", standby.clone()),
        set("the traffic moves", "ap-southeast-2", vec![(standby.clone(), true), (home.clone(), false)]),
        Step::Pass(UNTIL_CHANGEABLE),
        get("at home afterwards", "ap-northeast-1", home.clone()),
        get("in the standby Region afterwards", "eu-west-1", standby.clone()),
        set("none is on", "eu-west-1", vec![(standby, false), (home, false)]),
    ]
}

fn traffic_dials() -> Vec<Step> {
    use OfAccelerator::{DescribeAccelerator, DescribeEndpointGroup, UpdateEndpointGroup};
    let group = accelerator::endpoint_group;
    let unknown = || group("nobody");
    let turn = |arn, dial| UpdateEndpointGroup { arn, dial };
    vec![
        dial("the accelerator", DescribeAccelerator { arn: accelerator::arn() }),
        dial("an unknown accelerator", DescribeAccelerator { arn: format!("{}2", accelerator::arn()) }),
        dial("the endpoint group at home", DescribeEndpointGroup { arn: group(HOME) }),
        dial("an unknown endpoint group", DescribeEndpointGroup { arn: unknown() }),
        dial("the dial of an unknown endpoint group", turn(unknown(), 100.0)),
        dial("more than everything", turn(group(STANDBY), 101.0)),
        dial("everything to the standby Region", turn(group(STANDBY), 100.0)),
        dial("the accelerator at once", DescribeAccelerator { arn: accelerator::arn() }),
        Step::Pass(UNTIL_ALL_RESTS),
        dial("the accelerator afterwards", DescribeAccelerator { arn: accelerator::arn() }),
        dial("the endpoint group afterwards", DescribeEndpointGroup { arn: group(STANDBY) }),
    ]
}

fn watch(name: &'static str, call: watching::Call) -> Step {
    Step::Call(name, Call::Watching(call))
}

fn alarms_and_lag() -> Vec<Step> {
    use watching::Call::{DescribeAlarms, GetMetricData};
    const NAMES: [&str; 3] = ["failover-prod-trading-endpoint", "nobody", COMPOSITE_ALARM];
    let cluster = db_cluster(STANDBY);
    vec![
        watch("the alarms", DescribeAlarms { names: &NAMES }),
        watch("an unknown alarm", DescribeAlarms { names: &["nobody"] }),
        watch("the lag, the newest first", GetMetricData { cluster, newest_first: true }),
        watch("the lag, in no order that was asked for", GetMetricData { cluster, newest_first: false }),
        watch("the lag of the writer", GetMetricData { cluster: db_cluster(HOME), newest_first: true }),
    ]
}

fn topics() -> Vec<Step> {
    use watching::Call::{ListSubscriptionsByTopic, Publish};
    const UNKNOWN: &str = "arn:aws:sns:eu-west-1:123456789012:nobody";
    vec![
        watch("a message", Publish { topic: sns::NOTIFICATION_TOPIC }),
        watch("a message to an unknown topic", Publish { topic: UNKNOWN }),
        watch("the alarm topic's subscriptions", ListSubscriptionsByTopic { topic: sns::ALARM_TOPIC }),
        watch("an unknown topic's subscriptions", ListSubscriptionsByTopic { topic: UNKNOWN }),
    ]
}

fn permissions() -> Vec<Step> {
    let role = || format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}");
    let simulate = |role, action| watching::Call::SimulatePrincipalPolicy { role, action };
    vec![
        watch("what the role may do", simulate(role(), "rds:DescribeGlobalClusters")),
        watch("what it may not", simulate(role(), "rds:FailoverGlobalCluster")),
        watch("what an unknown role may", simulate(format!("{}2", role()), "rds:DescribeGlobalClusters")),
    ]
}

fn executions() -> Vec<Step> {
    use watching::Call::{EndExecution, StartExecution};
    let start = |name, input| StartExecution { name, input };
    vec![
        watch("the first of its name", start("f1", "{\"plan\":\"trading\"}")),
        watch("once more while it runs", start("f1", "{\"plan\":\"trading\"}")),
        watch("with another input while it runs", start("f1", "{\"plan\":\"other\"}")),
        watch("another name", start("f2", "{\"plan\":\"trading\"}")),
        watch("it ends", EndExecution { name: "f1" }),
        watch("once more after it ended", start("f1", "{\"plan\":\"trading\"}")),
    ]
}

fn write(name: &'static str, call: ledger::Call) -> Step {
    Step::Call(name, Call::Ledger(call))
}

fn ledger_operation() -> Vec<Step> {
    use ledger::Call::{Claim, GetItem, ReadOperation, Report};
    let operation = "f1#promote-aurora#trading";
    let claim = |owner, hash| Claim { owner, operation, hash, seconds: 30 };
    let report = |owner, event| Report { owner, event };
    let intent = Event::RecordIntent { action: json!({ "promote": "trading-standby", "ümlaut": [1, 2.5, null] }) };
    let receipt = Event::RecordReceipt { receipt: "C0123".to_owned() };
    let complete = |by: &str| Event::Complete { result: json!({ "by": by }) };
    vec![
        write("before anybody claimed it", ReadOperation { operation }),
        write("the first claims it", claim("first", "h1")),
        write("the first claims it once more", claim("first", "h1")),
        write("the second claims it while it is held", claim("second", "h1")),
        write("another request under its key", claim("second", "h2")),
        write("the first writes what it is about to do", report("first", intent)),
        write("the first writes its receipt", report("first", receipt)),
        write("as it is stored with an intent", GetItem { key: operation }),
        Step::Pass(31),
        write("the second takes it over", claim("second", "h1")),
        write("the first is late", report("first", complete("first"))),
        write(
            "the second does not know what became of it",
            report("second", Event::LoseOutcome { error: "no answer".to_owned() }),
        ),
        write("as it is stored without an outcome", GetItem { key: operation }),
        write("the second completes it", report("second", complete("second"))),
        write("the second completes it once more", report("second", complete("second"))),
        write("the third finds it completed", claim("third", "h1")),
        write("as it is stored in the end", GetItem { key: operation }),
        write("what was read of it in the end", ReadOperation { operation }),
    ]
}

fn ledger_plan() -> Vec<Step> {
    use ledger::Call::{ChangePlan, GetItem, HandOverWriter, ReadPlan, RenewWriter};
    use ledger::Rule::{Acknowledge, Admit, Close, SetKillSwitch};
    let admit = |failover, initiator| ChangePlan(Admit { failover, initiator });
    let key = "plan#trading";
    vec![
        write("before any failover", ReadPlan),
        write("home renews its writer lease", RenewWriter { region: HOME }),
        write("the standby Region renews, too", RenewWriter { region: STANDBY }),
        write("a failover is let in", admit("f1", Initiator::Alarm)),
        write("the same once more", admit("f1", Initiator::Alarm)),
        write("another one is not", admit("f2", Initiator::Person)),
        write("home renews during the failover", RenewWriter { region: HOME }),
        write("the lease is not free yet", HandOverWriter { generation: 1 }),
        write("as it is stored during the failover", GetItem { key }),
        Step::Pass(60),
        write("the lease is free", HandOverWriter { generation: 1 }),
        write("it ends well", ChangePlan(Close { generation: 1 })),
        write("the next one waits for the cooldown", admit("f2", Initiator::Alarm)),
        write("a person ends the cooldown", ChangePlan(Acknowledge)),
        write("a person sets the kill switch", ChangePlan(SetKillSwitch { set: true })),
        write("no alarm is let in", admit("f3", Initiator::Alarm)),
        write("a person clears the kill switch", ChangePlan(SetKillSwitch { set: false })),
        write("the next one is let in", admit("f3", Initiator::Alarm)),
        write("an old generation closes", ChangePlan(Close { generation: 1 })),
        write("as it is stored in the end", GetItem { key }),
    ]
}

/// What the gateway has models for, and what nobody has: the emulator's own answers prove that there is nothing to
/// compare with.
fn lacking() -> Vec<Step> {
    let register = OfAutoScaling::RegisterScalableTarget { service: SERVICES[0], min: 1, max: 3, suspend: None };
    let here = routing_control::control(HOME);
    let states = vec![(routing_control::control(STANDBY), true)];
    let dns_answer = records::Call::TestDnsAnswer { zone: HOSTED_ZONE, name: RECORD, kind: "AAAA" };
    let arn = || accelerator::endpoint_group(HOME);
    vec![
        scaling("limits", OfAutoScaling::DescribeScalableTargets { services: &SERVICES }),
        scaling("a change of limits", register),
        quota("a quota", "L-3032A538"),
        quota("an unknown quota", "L-00000000"),
        dns("an answer of name servers", dns_answer),
        control("a routing control", OfCluster::GetRoutingControlState { endpoint: "eu-west-1", control: here }),
        control(
            "a change of routing controls",
            OfCluster::UpdateRoutingControlStates { endpoint: "eu-west-1", states },
        ),
        dial("an accelerator", OfAccelerator::DescribeAccelerator { arn: accelerator::arn() }),
        dial("an endpoint group", OfAccelerator::DescribeEndpointGroup { arn: arn() }),
        dial("a traffic dial", OfAccelerator::UpdateEndpointGroup { arn: arn(), dial: 50.0 }),
    ]
}
