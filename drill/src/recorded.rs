//! A run that was recorded, for the tests of what reads runs: the loss of a Region, as it should go.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::chaos::course::{Course, LedgerLook};
use crate::execution::{Event, Execution};
use crate::gateway::{Call, Caller, LedgerWrite, Outcome, TraceSegment};
use crate::listener::Message;
use crate::moment::Moment;
use crate::orchestrator::Orchestrator;
use crate::stage::{Evidence, Run};
use crate::staging::{Fencing, Traffic};
use crate::state::{LedgerItem, Limits, RecordSet, ServiceCount, WorldState};
use crate::world::{BYSTANDER_SERVICE, FULL_COUNT, STANDBY_COUNT, Site, WORKLOAD_SERVICES, Workload};

pub(crate) const ACCOUNT: &str = "123456789012";
/// The Region was lost this long before the first call.
const LOST_BEFORE_MS: i64 = 60;

fn recording() -> Value {
    serde_json::from_str(include_str!("recorded/region-loss.json")).unwrap()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

fn moment(value: &Value, name: &str) -> Moment {
    Moment::from_millis(value[name].as_i64().unwrap())
}

pub(crate) fn calls() -> Vec<Call> {
    recording()["calls"].as_array().unwrap().iter().enumerate().map(|(number, call)| call_in(number, call)).collect()
}

fn call_in(number: usize, call: &Value) -> Call {
    let status = u16::try_from(call["status"].as_u64().unwrap()).unwrap();
    let millis = |name: &str| Duration::from_millis(call[name].as_u64().unwrap());
    Call {
        number: number as u64 + 1,
        at: SystemTime::UNIX_EPOCH + millis("at_ms"),
        duration: millis("duration_ms"),
        caller: Caller { app: text(call, "app"), access_key_id: None },
        region: text(call, "region").unwrap(),
        service: text(call, "service").unwrap(),
        operation: text(call, "operation").unwrap(),
        iam_action: text(call, "iam_action").unwrap(),
        outcome: match status {
            0 => Outcome::NoAnswer,
            200..=299 => Outcome::Ok { status },
            status => Outcome::Error { status, code: text(call, "code").unwrap_or_default() },
        },
        applied: (200..300).contains(&status),
        rules: Vec::new(),
        trace_id: None,
        failover_id: text(call, "failover_id"),
        ledger: call["ledger"].is_object().then(|| LedgerWrite {
            operation_id: text(&call["ledger"], "operation_id").unwrap(),
            status: text(&call["ledger"], "status"),
        }),
        answered_by_model: false,
    }
}

/// A call that some function made.
pub(crate) fn call_of(function: &str, service: &str, operation: &str, outcome: Outcome) -> Call {
    let mut call = calls().pop().unwrap();
    call.caller.app = Some(format!("failover-{}-{function}", Workload::Trading.suffix()));
    call.service = service.to_owned();
    call.operation = operation.to_owned();
    call.iam_action = format!("{service}:{operation}");
    call.applied = outcome.is_ok();
    call.outcome = outcome;
    (call.ledger, call.failover_id) = (None, None);
    call
}

fn history() -> Vec<Event> {
    let event = |event: &Value| Event {
        at: moment(event, "at"),
        kind: text(event, "kind").unwrap(),
        state: text(event, "state"),
        resource: text(event, "resource"),
        output: event["output"].clone(),
        error: None,
    };
    recording()["history"].as_array().unwrap().iter().map(event).collect()
}

pub(crate) fn run() -> Run {
    let recording = recording();
    let execution = &recording["execution"];
    let first_call = Moment::from(calls()[0].at).as_millis();
    let lost = Moment::from_millis(first_call - LOST_BEFORE_MS);
    let execution = Execution {
        arn: text(execution, "arn").unwrap(),
        name: text(execution, "name").unwrap(),
        input: String::new(),
        status: text(execution, "status").unwrap(),
        started: moment(execution, "started"),
        stopped: Some(moment(execution, "stopped")),
        output: execution["output"].clone(),
        failure: None,
    };
    let told =
        ["Failover of trading considered: alarm x", "Failover of trading started", "Failover of trading succeeded"];
    let message = |subject: &str| Message { subject: subject.to_owned(), text: String::new() };
    Run {
        label: "failing over".to_owned(),
        target: Some(Site::Standby),
        begins: lost,
        ordered: lost.plus(Duration::from_millis(5)),
        served_again: Some(lost.plus(Duration::from_millis(5_090))),
        lag_ms: 632,
        unplanned: true,
        answered: None,
        told: told.into_iter().map(message).collect(),
        history: history(),
        execution,
    }
}

/// The world while it is active at `active`; `scaled` when the standby has its full capacity.
pub(crate) fn world_at(active: Site, scaled: bool) -> WorldState {
    let mut state = WorldState { records: records(active), ..WorldState::default() };
    for site in Site::PAIR {
        state.members.insert(Workload::Trading.cluster_arn(site, ACCOUNT), site == active);
        state.security_groups.insert(site, vec![format!("sg-serving-{site}")]);
        let count = if site == Site::Primary || scaled { FULL_COUNT } else { STANDBY_COUNT };
        for (service, count) in WORKLOAD_SERVICES.into_iter().map(|name| (name, count)).chain([(BYSTANDER_SERVICE, 1)])
        {
            let key = site.service_key(service);
            state.services.insert(key.clone(), ServiceCount { desired: count, running: count });
            state.limits.insert(key, Limits { min: count, max: 2 * count, suspended: false });
        }
    }
    state
}

fn records(active: Site) -> Vec<RecordSet> {
    let pair = |site: Site| RecordSet {
        name: Workload::Trading.record_name().to_owned(),
        record_type: "AAAA".to_owned(),
        set_identifier: Some(site.set_identifier().to_owned()),
        content: format!("ResourceRecords {site}, TTL 60"),
        role: Some(if site == active { "PRIMARY" } else { "SECONDARY" }.to_owned()),
    };
    let bystander = RecordSet {
        name: Workload::Trading.record_name().to_owned(),
        record_type: "TXT".to_owned(),
        set_identifier: None,
        content: "ResourceRecords \"app\", TTL 300".to_owned(),
        role: None,
    };
    let mut records = vec![bystander, pair(Site::Primary), pair(Site::Standby)];
    records.sort();
    records
}

fn ledger() -> Vec<LedgerItem> {
    let name = run().execution.name;
    let operations =
        ["promote-aurora#trading", "scale-ecs#x", "shift-dns#Z1", "trigger#failover-drill-trading-endpoint"];
    let operation = |operation: &str| LedgerItem {
        operation_id: format!("{name}#{operation}"),
        status: "completed".to_owned(),
        attributes: BTreeMap::new(),
    };
    let mut items: Vec<LedgerItem> = operations.into_iter().map(operation).collect();
    let plan = [("generation", "1"), ("phase", "succeeded"), ("active_region", Site::Standby.region())];
    items.push(LedgerItem {
        operation_id: "plan#trading".to_owned(),
        status: "completed".to_owned(),
        attributes: plan.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    });
    items
}

pub(crate) fn evidence() -> Evidence {
    let isolated = Site::PAIR.map(|site| (site, format!("sg-isolated-{site}")));
    Evidence {
        orchestrator: Orchestrator::default(),
        sites: Site::PAIR.to_vec(),
        traffic: vec![Traffic::FailoverRecords],
        fencing: Fencing::BestEffort,
        waves: false,
        lease_ends: None,
        isolated: isolated.into(),
        beside: Vec::new(),
        account_id: ACCOUNT.to_owned(),
        before: world_at(Site::Primary, false),
        after: world_at(Site::Standby, true),
        ledger: ledger(),
        executions: vec![run().execution],
        runs: vec![run()],
        calls: calls(),
        endpoint_answers: BTreeMap::from([(Site::Primary, false), (Site::Standby, true)]),
        dead_letters: 0,
        traces: traces(),
    }
}

/// The course of a schedule under which the run went as if nothing had happened.
pub(crate) fn course() -> Course {
    let began = run().begins;
    let rested = run().execution.stopped.unwrap();
    Course {
        began,
        ceased: rested,
        rested,
        ordered_again: None,
        carried_out: BTreeMap::new(),
        looks: vec![LedgerLook::default(), LedgerLook::of(&ledger())],
        disturbed: world_at(Site::Standby, true),
        disturbed_generation: 1,
        refused_connections: 2,
    }
}

/// One subsegment for each step, and one for a call.
fn traces() -> Vec<TraceSegment> {
    let steps = ["promote-aurora", "scale-ecs", "shift-dns"].map(|step| json!({ "name": step }));
    let call = json!({ "name": "rds", "namespace": "aws", "aws": { "operation": "FailoverGlobalCluster" } });
    let documents = steps.into_iter().chain([call]);
    documents
        .map(|mut document| {
            document["annotations"] = json!({ "failover_id": run().execution.name });
            let caller = Caller { app: None, access_key_id: None };
            TraceSegment { at: SystemTime::UNIX_EPOCH, region: Site::Standby.region().to_owned(), caller, document }
        })
        .collect()
}
