//! The product's own steps, invoked as the state machine does it until they have settled.

use std::collections::BTreeMap;
use std::sync::Arc;

use failover::contract::{Finding, StepResponse, StepStatus};
use failover::env::Deadline;
use failover::error::{Error, ErrorCode, chain};
use promote_aurora::PromoteAurora;
use scale_ecs::ScaleEcs;
use serde_json::{Value, json};
use shift_dns::ShiftDns;
use simulation::workload::{GLOBAL_CLUSTER, STANDBY, db_cluster};

use crate::sides::Side;

/// How often a step is invoked at most until it has settled.
const MOST_INVOCATIONS: usize = 100;

/// A step with its request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: &'static str,
    pub(crate) request: Value,
}

impl Call {
    /// What it answers in the end: everything but times, how often it was asked, and what AWS drew by lot.
    pub(crate) async fn ask(&self, side: &Side) -> Value {
        let settled = self.settle(side).await;
        // How many calls it takes is a matter of how long AWS takes.
        side.take_statuses();
        match settled {
            Ok(answer) => {
                let named = |finding: &Finding| json!(side.common(&json!(finding).to_string()));
                let mut findings: Vec<Value> = answer.findings.iter().map(named).collect();
                // Those about resources that AWS names come in the order of their names.
                findings.sort_by_key(Value::to_string);
                json!({
                    "status": answer.status,
                    "operation": answer.operation_id,
                    "message": without_change_ids(&answer.message),
                    "from_ledger": answer.from_ledger,
                    "findings": findings,
                })
            }
            Err(error) => json!({ "error": error.code().to_string(), "message": chain(&error) }),
        }
    }

    /// Invokes it until it is through; the last answer is that it is not, if it never is.
    async fn settle(&self, side: &Side) -> Result<StepResponse, Error> {
        let mut answer = self.invoke(side).await;
        for _ in 1..MOST_INVOCATIONS {
            match &answer {
                Ok(unsettled) if unsettled.status == StepStatus::InProgress => {
                    side.pass(unsettled.ask_again_after_seconds.into());
                }
                Err(error) if error.code() == ErrorCode::Transient => side.pass(1),
                Ok(_) | Err(_) => return answer,
            }
            answer = self.invoke(side).await;
        }
        answer
    }

    async fn invoke(&self, side: &Side) -> Result<StepResponse, Error> {
        let tools = side.tools.clone();
        let deadline = Deadline::new(side.now(), tools.config.step_budget, 0);
        let request = side.own_request(&self.request);
        let variables = BTreeMap::from([("GLOBAL_CLUSTER_ID", GLOBAL_CLUSTER), ("DR_CLUSTER_ID", db_cluster(STANDBY))]);
        match self.function {
            "promote-aurora" => {
                promote_aurora::handle(Arc::new(PromoteAurora::new(tools, &variables)?), request, deadline).await
            }
            "scale-ecs" => scale_ecs::handle(Arc::new(ScaleEcs::new(tools, &variables)?), request, deadline).await,
            "shift-dns" => shift_dns::handle(Arc::new(ShiftDns::new(tools, &variables)?), request, deadline).await,
            other => panic!("{other} is no step"),
        }
    }
}

/// Without the ids that Route 53 gives its changes.
fn without_change_ids(message: &str) -> String {
    let mut after_change = false;
    let words = message.split(' ').map(|word| {
        let is_id = std::mem::replace(&mut after_change, word == "change") && word.starts_with('C');
        if is_id { "(its id)" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}
