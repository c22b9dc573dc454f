//! The real step against the simulated Aurora, under tokio's clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use failover::contract::{StepResponse, StepStatus};
use failover::error::{Error, ErrorCode};
use failover::runtime::Toolbox;
use failover::testing;
use promote_aurora::PromoteAurora;
use serde_json::{Value, json};

use super::super::{CLOSED_GROUP, Outcome, PromotionKind, SERVING_GROUP, writers};
use crate::aws::lab::Lab;
use crate::workload::{self, HOME, STANDBY};

/// How many worlds each test plays in.
const SEEDS: std::ops::Range<u64> = 0..5;
/// How often the state machine asks at most.
const MOST_INVOCATIONS: u32 = 20;

async fn invoke(tools: &Toolbox, request: &Value) -> Result<StepResponse, Error> {
    let variables =
        BTreeMap::from([("GLOBAL_CLUSTER_ID", "trading"), ("DR_CLUSTER_ID", workload::db_cluster(STANDBY))]);
    let step = PromoteAurora::new(tools.clone(), &variables).expect("a complete environment");
    let deadline = testing::deadline(&tools.env, &tools.config);
    promote_aurora::handle(Arc::new(step), request.clone(), deadline).await
}

/// Invokes it until it is done, as the state machine does: again after an answer that it is at it, and after an error
/// that another try may cure.
async fn carry_out(tools: &Toolbox, request: &Value, what: &str) -> StepResponse {
    for _ in 0..MOST_INVOCATIONS {
        match invoke(tools, request).await {
            Ok(response) if response.status == StepStatus::Done => return response,
            Ok(response) => assert_eq!(response.status, StepStatus::InProgress, "{what}: {}", response.message),
            Err(error) => assert_eq!(error.code(), ErrorCode::Transient, "{what}: {error}"),
        }
        tools.env.sleep(Duration::from_secs(2)).await;
    }
    panic!("{what}: not done")
}

fn request(mode: &str) -> Value {
    json!({ "run": { "failover_id": "f-1" }, "mode": mode })
}

#[tokio::test(start_paused = true)]
async fn each_mode_promotes_once_and_what_it_calls_done_is_done() {
    for seed in SEEDS {
        for (mode, kind) in [
            ("failover", PromotionKind::Failover),
            ("switchover", PromotionKind::Switchover),
            ("detach", PromotionKind::Detach),
        ] {
            let what = format!("seed {seed} {mode}");
            let lab = Lab::new(seed);
            let tools = lab.toolbox("promote-aurora");
            lab.pass(90).await;
            let response = carry_out(&tools, &request(mode), &what).await;
            let now = lab.now();
            let mut aws = lab.aws();
            assert!(writers(&mut aws, now).contains(&STANDBY), "{what}");
            assert!(aws.aurora.is_available(STANDBY), "{what}");
            let [promotion] = aws.aurora.accepted_promotions() else {
                panic!("{what}: {:?}", aws.aurora.accepted_promotions())
            };
            assert_eq!((promotion.kind, promotion.target), (kind, STANDBY), "{what}");
            assert!(response.observed["lag_ms_before"].is_u64(), "{what}: {}", response.observed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failover_out_of_a_lost_region_promotes_and_says_that_it_may_have_lost_the_lag() {
    for seed in SEEDS {
        let what = format!("seed {seed}");
        let lab = Lab::new(seed);
        let tools = lab.toolbox("promote-aurora");
        lab.pass(90).await;
        lab.aws().lost.insert(HOME.to_owned());
        lab.pass(30).await;
        let response = carry_out(&tools, &request("failover"), &what).await;
        let now = lab.now();
        let mut aws = lab.aws();
        assert_eq!(writers(&mut aws, now), [STANDBY], "{what}");
        assert_eq!(response.observed["write_fencing"]["outcome"], "timed_out", "{what}: {}", response.observed);
        let [promotion] = aws.aurora.accepted_promotions() else { panic!("{what}: one promotion") };
        assert!(matches!(promotion.outcome, Outcome::TookOver { missing_writes, .. } if missing_writes > 0), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_fencing_that_the_step_reports_is_that_which_came_about() {
    let mut told = Vec::new();
    for seed in SEEDS {
        let lab = Lab::new(seed);
        let tools = lab.toolbox("promote-aurora");
        let response = carry_out(&tools, &request("failover"), &format!("seed {seed}")).await;
        let outcome = response.observed["write_fencing"]["outcome"].clone();
        let expected = if lab.aws().aurora.writers_may_overlap() { "timed_out" } else { "confirmed" };
        assert_eq!(outcome, expected, "seed {seed}");
        told.push(outcome);
    }
    assert!(told.contains(&json!("confirmed")) && told.contains(&json!("timed_out")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_the_step_calls_isolated_lets_nobody_in_and_a_promotion_opens_it_again() {
    for seed in SEEDS {
        let what = format!("seed {seed}");
        let lab = Lab::new(seed);
        let tools = lab.toolbox("promote-aurora");
        let isolate = json!({
            "run": { "failover_id": "f-1" },
            "isolate": { "cluster_arn": workload::db_cluster_arn(STANDBY), "security_group_ids": [CLOSED_GROUP] },
        });
        carry_out(&tools, &isolate, &what).await;
        assert!(lab.aws().aurora.has_only_security_group(STANDBY, CLOSED_GROUP), "{what}");
        let mut promotion = request("switchover");
        promotion["security_group_ids"] = json!([SERVING_GROUP]);
        carry_out(&tools, &promotion, &what).await;
        let now = lab.now();
        assert_eq!(writers(&mut lab.aws(), now), [STANDBY], "{what}: it serves");
    }
}
