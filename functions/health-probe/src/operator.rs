//! `acknowledge` and `kill_switch`: what people say to the plan's ledger by hand (X5). Written there with who, why and
//! when; nothing else in AWS is changed.

use std::cell::{Cell, RefCell};

use failover::contract::{AcknowledgeRequest, KillSwitchRequest, OperatorResponse, PlanName};
use failover::error::Error;
use failover::ledger::plan_item::Phase;
use failover::ledger::{KillSwitch, PlanItem};

use crate::HealthProbe;

/// Ends the plan's cooldowns, and a failover that has overstayed its time.
///
/// # Errors
/// [`Error::InvalidRequest`] for another plan than the function's, and the ledger's errors.
pub(crate) async fn acknowledge(probe: &HealthProbe, request: &AcknowledgeRequest) -> Result<OperatorResponse, Error> {
    check_plan(probe, &request.plan)?;
    let (by, reason) = (request.by.as_str(), request.reason.as_str());
    let before = RefCell::new(PlanItem::default());
    let rule = |item: &PlanItem, now| {
        before.replace(item.clone());
        Ok(item.acknowledge(by, reason, now))
    };
    let item = probe.tools.ledger.change_plan_item(&request.plan, rule).await?;
    let before = before.into_inner();
    let now = probe.tools.env.now();
    let running = before.cooldowns.values().filter(|until| **until > now).count();
    let cooldowns = match running {
        0 => "there was no cooldown to end".to_owned(),
        1 => "one cooldown is ended".to_owned(),
        more => format!("{more} cooldowns are ended"),
    };
    let overstayed = before.newest.as_ref().filter(|newest| {
        newest.phase == Phase::Active && item.newest.as_ref().is_some_and(|after| after.phase == Phase::Failed)
    });
    let done = match overstayed {
        Some(newest) => format!("{cooldowns}; failover {}, which had overstayed its time, counts as failed", newest.id),
        None => cooldowns,
    };
    Ok(answer(probe, &request.plan, &item, done, by, reason))
}

/// Sets or clears the kill switch.
///
/// # Errors
/// [`Error::InvalidRequest`] for another plan than the function's, and the ledger's errors.
pub(crate) async fn kill_switch(probe: &HealthProbe, request: &KillSwitchRequest) -> Result<OperatorResponse, Error> {
    check_plan(probe, &request.plan)?;
    let (by, reason) = (request.by.as_str(), request.reason.as_str());
    let before = Cell::new(KillSwitch::Clear);
    let rule = |item: &PlanItem, now| {
        before.set(item.kill_switch);
        Ok(item.set_kill_switch(request.set, by, reason, now))
    };
    let item = probe.tools.ledger.change_plan_item(&request.plan, rule).await?;
    let done = match (before.get(), request.set) {
        (KillSwitch::Set, true) => "the kill switch was set already and stays set",
        (KillSwitch::Clear | KillSwitch::Unreadable, true) => {
            "the kill switch is set: alarms start nothing, and an automatic run stops before its next change"
        }
        (KillSwitch::Clear, false) => "the kill switch was clear already",
        (KillSwitch::Set | KillSwitch::Unreadable, false) => {
            "the kill switch is clear: alarms may start failovers again"
        }
    };
    Ok(answer(probe, &request.plan, &item, done.to_owned(), by, reason))
}

/// A misspelt plan would get an item of its own, which holds nothing.
fn check_plan(probe: &HealthProbe, plan: &PlanName) -> Result<(), Error> {
    let own = &probe.tools.config.plan;
    if plan == own {
        return Ok(());
    }
    Err(Error::invalid("plan", format!("is {plan}, but this function is for plan {own}")))
}

fn answer(
    probe: &HealthProbe,
    plan: &PlanName,
    item: &PlanItem,
    done: String,
    by: &str,
    reason: &str,
) -> OperatorResponse {
    let now = probe.tools.env.now();
    // The ledger keeps the newest words only; the log keeps all of them for as long as logs are kept.
    tracing::info!(%plan, by, reason, done, "a person's word");
    let under_way = item.newest.as_ref().filter(|newest| newest.phase == Phase::Active && newest.active_until > now);
    OperatorResponse {
        plan: plan.clone(),
        done,
        at: item.statements.last().map_or(now, |statement| statement.at),
        kill_switch_set: item.kill_switch.holds(),
        under_way: under_way.map(|newest| newest.id.clone()),
    }
}
