//! The rows: every step in every way it has, with what has to have come about in AWS.

use failover::contract::{PromotionMode, Timestamp, Traffic};
use serde_json::{Value, json};

use super::commands::{self, Asked};
use crate::aws::aurora::{self, CLOSED_GROUP, Outcome, PromotionKind, SERVING_GROUP};
use crate::aws::ecs::{self, MAX_AT_HOME};
use crate::aws::route53::{self, WEIGHTED_RECORD};
use crate::aws::{Aws, accelerator, routing_control, s3};
use crate::workload::{
    self, ECS_CLUSTER, GLOBAL_CLUSTER, HOME, PLAN, RECORD, RECORD_TYPES, SERVICES, STANDBY, TASKS_AT_HOME,
    TASKS_IN_STANDBY,
};
use crate::world::{Shared, ms};

/// A step with a request.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// The type that is the step, or the command of `health-probe`.
    pub step: &'static str,
    /// The function that it belongs to.
    pub function: &'static str,
    /// The seed of its world; one in which AWS takes little time.
    pub seed: u64,
    /// What happened before.
    pub before: Before,
    /// Its request.
    pub request: Asked,
    /// What of its answer has to be as in the undisturbed run, by JSON pointer: everything but attempts, times, and what
    /// was seen on the way.
    pub compared: &'static [&'static str],
    /// What AWS looks like, as far as the step is about it, with every change from the services' own logs.
    pub facts: fn(&Aws, Timestamp) -> Value,
    /// What AWS has to look like in the end.
    pub outcome: Value,
}

/// What is compared of a step's answer.
const OF_A_STEP: &[&str] = &["/status", "/operation_id", "/message", "/findings"];

/// What happened before a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// The workload serves from its home Region.
    Nothing,
    /// The standby Region's cluster was isolated.
    StandbyIsolated,
    /// The home Region is gone.
    HomeLost,
    /// The database was switched over to the standby Region.
    StandbyWrites,
    /// The standby object is there.
    ObjectThere,
}

impl Before {
    pub(super) async fn prepare(self, world: &Shared) {
        {
            let mut here = world.lock();
            let now = here.now();
            here.aws.advance(now);
            // Counts change by the steps alone.
            here.aws.ecs.policies = false;
            match self {
                Self::Nothing => {}
                Self::StandbyIsolated => aurora::isolate_by_hand(&mut here.aws, STANDBY, now),
                Self::HomeLost => drop(here.aws.lost.insert(HOME.to_owned())),
                Self::StandbyWrites => {
                    let ordered = aurora::order(&mut here.aws, PromotionKind::Switchover, STANDBY, now);
                    assert!(ordered.is_ok(), "{ordered:?}");
                }
                Self::ObjectThere => s3::set_by_hand(&mut here.aws, true, now),
            }
        }
        loop {
            tokio::time::sleep(ms(1_000)).await;
            let mut here = world.lock();
            let now = here.now();
            here.aws.advance(now);
            if !here.aws.aurora.promotion_is_pending() {
                return;
            }
        }
    }
}

/// Every row.
#[must_use]
pub fn table() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend([PromotionMode::Failover, PromotionMode::Switchover, PromotionMode::Detach].map(promotion));
    rows.extend([after_a_loss(), after_an_isolation(), isolation(), scale_out(), fence()]);
    let plan_traffic = PLAN["traffic"][0].clone();
    let ways =
        [plan_traffic, route53::weighted_traffic(), s3::traffic(), routing_control::traffic(), accelerator::traffic()];
    rows.extend(ways.into_iter().map(|way| shift(&serde_json::from_value(way).expect("traffic"))));
    rows.push(object_taken_away());
    rows.extend(commands::rows());
    rows
}

fn run() -> Value {
    json!({ "failover_id": "matrix" })
}

/// A new mode has to have a row before this compiles.
fn promotion(mode: PromotionMode) -> Row {
    let name = match mode {
        PromotionMode::Failover => "promote-aurora by failover",
        PromotionMode::Switchover => "promote-aurora by switchover",
        PromotionMode::Detach => "promote-aurora by detach",
    };
    let kind = match mode {
        PromotionMode::Failover => "Failover",
        PromotionMode::Switchover => "Switchover",
        PromotionMode::Detach => "Detach",
    };
    Row {
        name,
        step: "PromoteAurora",
        function: "promote-aurora",
        seed: 52,
        before: Before::Nothing,
        request: Asked::known(json!({
            "run": run(), "mode": mode,
            "global_cluster_id": GLOBAL_CLUSTER,
            "target_cluster_arn": workload::db_cluster_arn(STANDBY),
            "source_cluster_arn": workload::db_cluster_arn(HOME),
        })),
        compared: OF_A_STEP,
        facts: database,
        outcome: json!({
            "writer": STANDBY, "available": true, "open": true,
            "member": mode != PromotionMode::Detach,
            "promotions": [[kind, STANDBY, "took over"]],
        }),
    }
}

fn after_a_loss() -> Row {
    Row {
        name: "promote-aurora by failover, home lost",
        seed: 26,
        before: Before::HomeLost,
        ..promotion(PromotionMode::Failover)
    }
}

fn after_an_isolation() -> Row {
    let mut row = promotion(PromotionMode::Failover);
    row.request.set("security_group_ids", json!([SERVING_GROUP]));
    Row { name: "promote-aurora gives security groups back", seed: 46, before: Before::StandbyIsolated, ..row }
}

fn database(aws: &Aws, _: Timestamp) -> Value {
    let promotions = aws.aurora.accepted_promotions().iter().map(|promotion| {
        let outcome = match promotion.outcome {
            Outcome::UnderWay => "under way",
            Outcome::TookOver { .. } => "took over",
            Outcome::Cancelled { .. } => "cancelled",
        };
        json!([format!("{:?}", promotion.kind), promotion.target, outcome])
    });
    json!({
        "writer": aws.aurora.writer_of_record(),
        "available": aws.aurora.is_available(STANDBY),
        "open": aws.aurora.has_only_security_group(STANDBY, SERVING_GROUP),
        "member": aws.aurora.is_member(STANDBY),
        "promotions": promotions.collect::<Vec<_>>(),
    })
}

fn isolation() -> Row {
    Row {
        name: "promote-aurora isolates",
        step: "IsolateAurora",
        function: "promote-aurora",
        seed: 12,
        before: Before::Nothing,
        request: Asked::known(json!({
            "run": run(),
            "isolate": {
                "cluster_arn": workload::db_cluster_arn(HOME),
                "security_group_ids": [CLOSED_GROUP],
            },
        })),
        compared: OF_A_STEP,
        facts: |aws, _| json!({ "closed": aws.aurora.has_only_security_group(HOME, CLOSED_GROUP) }),
        outcome: json!({ "closed": true }),
    }
}

fn scale_out() -> Row {
    let service = json!({
        "desired": TASKS_AT_HOME, "runs": true, "counts": [TASKS_IN_STANDBY, TASKS_AT_HOME],
        "limits": [TASKS_AT_HOME, TASKS_AT_HOME, false, false, false],
    });
    Row {
        name: "scale-ecs scales out",
        step: "ScaleEcs",
        function: "scale-ecs",
        seed: 6,
        before: Before::Nothing,
        request: Asked::known(json!({
            "run": run(),
            "target_region": STANDBY,
            "cluster": ECS_CLUSTER,
            "services": "all",
            "capacity": { "percent_of_source": {
                "percent": 100, "source_region": HOME, "source_cluster": ECS_CLUSTER,
                // What the source has; a call to it that is lost is not made again.
                "desired_if_unknown": TASKS_AT_HOME,
            } },
        })),
        compared: OF_A_STEP,
        facts: |aws, _| services(aws, STANDBY),
        outcome: SERVICES.map(|name| (name.to_owned(), service.clone())).into_iter().collect(),
    }
}

fn fence() -> Row {
    let service = json!({
        "desired": 0, "runs": true, "counts": [TASKS_AT_HOME, 0],
        "limits": [0, MAX_AT_HOME, true, true, true],
    });
    Row {
        name: "scale-ecs fences",
        step: "ScaleEcs",
        function: "scale-ecs",
        seed: 5,
        before: Before::Nothing,
        request: Asked::known(json!({
            "run": run(),
            "target_region": HOME,
            "cluster": ECS_CLUSTER,
            "services": "all",
            "capacity": "fenced",
        })),
        compared: OF_A_STEP,
        facts: |aws, _| services(aws, HOME),
        outcome: SERVICES.map(|name| (name.to_owned(), service.clone())).into_iter().collect(),
    }
}

/// What each service looks like, and every count that it was to have, one after the other.
fn services(aws: &Aws, region: &str) -> Value {
    let one = |name: &'static str| {
        let changes = aws.ecs.changes().iter().filter(|change| change.region == region && change.service == name);
        let mut counts: Vec<u32> = changes.map(|change| change.desired).collect();
        counts.dedup();
        let ecs::Limits { min, max, scale_in_suspended, scale_out_suspended, scheduled_suspended } =
            aws.ecs.limits(region, name);
        let desired = aws.ecs.desired(region, name);
        let service = json!({
            "desired": desired,
            "runs": aws.ecs.running(region, name) == desired,
            "counts": counts,
            "limits": [min, max, scale_in_suspended, scale_out_suspended, scheduled_suspended],
        });
        (name.to_owned(), service)
    };
    SERVICES.map(one).into_iter().collect()
}

/// A new way has to have a row before this compiles.
fn shift(traffic: &Traffic) -> Row {
    let row = |name, step, facts, outcome| Row {
        name,
        step,
        function: "shift-dns",
        seed: 11,
        before: Before::Nothing,
        request: Asked::known(json!({ "run": run(), "target_region": STANDBY, "traffic": traffic })),
        compared: OF_A_STEP,
        facts,
        outcome,
    };
    match traffic {
        Traffic::FailoverRecords(_) => Row {
            before: Before::StandbyWrites,
            ..row(
                "shift-dns by failover records",
                "Records",
                |aws, now| json!([RECORD_TYPES.map(|kind| aws.route53.preferred(RECORD, kind)), zone(aws, now)]),
                json!([[STANDBY, STANDBY], { "batches": 1, "in_sync": true }]),
            )
        },
        Traffic::WeightedRecords(_) => row(
            "shift-dns by weighted records",
            "Records",
            |aws, now| json!([aws.route53.preferred(WEIGHTED_RECORD, "AAAA"), zone(aws, now)]),
            json!([STANDBY, { "batches": 1, "in_sync": true }]),
        ),
        Traffic::StandbyObject(_) => row("shift-dns by standby object", "Object", object, json!([true, [true]])),
        Traffic::RoutingControl(_) => row(
            "shift-dns by routing control",
            "Controls",
            |aws, _| json!([aws.routing_control.on(), aws.routing_control.changes().len()]),
            json!([[STANDBY], 1]),
        ),
        Traffic::TrafficDial(_) => Row {
            seed: 47,
            ..row(
                "shift-dns by traffic dial",
                "Dials",
                |aws, now| {
                    let turns = aws.accelerator.changes().iter().map(|change| json!([change.region, change.dial]));
                    json!([turns.collect::<Vec<_>>(), aws.accelerator.is_deployed(now)])
                },
                json!([[[STANDBY, 100.0], [HOME, 0.0]], true]),
            )
        },
    }
}

fn zone(aws: &Aws, now: Timestamp) -> Value {
    json!({ "batches": aws.route53.changes().len(), "in_sync": aws.route53.is_in_sync(now) })
}

fn object_taken_away() -> Row {
    let mut row = shift(&serde_json::from_value(s3::traffic()).expect("traffic"));
    row.request.set("target_region", json!(HOME));
    Row {
        name: "shift-dns by taking the standby object away",
        before: Before::ObjectThere,
        outcome: json!([false, [true, false]]),
        ..row
    }
}

fn object(aws: &Aws, _: Timestamp) -> Value {
    let written: Vec<bool> = aws.s3.changes().iter().map(|change| change.written).collect();
    json!([aws.s3.object().is_some(), written])
}
