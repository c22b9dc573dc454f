//! Which Region is left, and for which one. Pure.

use failover::contract::Region;
use failover::error::Error;
use failover::ledger::PlanItem;
use failover::recovery_plan::RecoveryPlan;

use crate::evidence::Lag;

/// The Region that is left, and those it can be left for, the preferred one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route<'p> {
    /// Where the plan is active.
    pub(crate) source: &'p Region,
    /// At least one.
    pub(crate) targets: Vec<&'p Region>,
}

/// Away from where the plan is active by the ledger; before the first failover that is its home Region.
///
/// # Errors
/// [`Error::InvalidRequest`] when the ledger's Region is not in the plan.
pub(crate) fn away_from_the_active_region<'p>(plan: &'p RecoveryPlan, item: &PlanItem) -> Result<Route<'p>, Error> {
    let active = item.active_region.as_ref().unwrap_or(&plan.home_region);
    let Some(source) = plan.regions().find(|region| *region == active) else {
        return Err(Error::invalid(
            "plan_document",
            format!(
                "has the Regions {}, but by the ledger plan {} is active in {active}",
                plan.regions_in_words(),
                plan.name
            ),
        ));
    };
    Ok(Route { source, targets: plan.targets_from(source).collect() })
}

/// To the Region a person named, or away from where the plan is active.
///
/// A person may name the very Region that the ledger calls active: to finish what was done by hand. Then it is entered
/// from the first other Region.
///
/// # Errors
/// [`Error::InvalidRequest`] when the Region is not in the plan.
pub(crate) fn towards<'p>(
    plan: &'p RecoveryPlan,
    item: &PlanItem,
    wanted: Option<&Region>,
) -> Result<Route<'p>, Error> {
    let Some(wanted) = wanted else {
        return away_from_the_active_region(plan, item);
    };
    let Some(target) = plan.regions().find(|region| *region == wanted) else {
        return Err(Error::invalid(
            "input.trigger.target_region",
            format!("{wanted} is not in plan {}, which has {}", plan.name, plan.regions_in_words()),
        ));
    };
    let away = away_from_the_active_region(plan, item)?;
    let source = if away.source == target { away.targets.first().copied() } else { Some(away.source) };
    Ok(Route { source: source.unwrap_or(away.source), targets: vec![target] })
}

/// The first target by preference that is no further behind than the plan lets be lost. When none is, the first whose
/// lag is known, and a person decides.
pub(crate) fn choose<'p>(targets: &[&'p Region], lags: &[Lag], max_rpo_ms: u64) -> Option<(&'p Region, Lag)> {
    let each = || targets.iter().copied().zip(lags.iter().cloned());
    let near = each().find(|(_, lag)| match lag {
        Lag::NotReplicated => true,
        Lag::Reading { ms, .. } => *ms <= max_rpo_ms,
        Lag::Unknown(_) => false,
    });
    let known = || each().find(|(_, lag)| lag.ms().is_some());
    near.or_else(known).or_else(|| each().next())
}

#[cfg(test)]
mod tests {
    use failover::contract::Timestamp;

    use super::*;

    fn plan() -> RecoveryPlan {
        let plan = include_str!("../../../infra/plans/trading.json");
        let mut plan = RecoveryPlan::parse(plan).expect("the sample plan");
        plan.standby_regions.push(region("eu-north-1"));
        plan
    }

    fn region(text: &str) -> Region {
        Region::parse(text).expect("a Region")
    }

    fn active_in(text: &str) -> PlanItem {
        PlanItem { active_region: Some(region(text)), ..PlanItem::default() }
    }

    fn in_words(route: &Route<'_>) -> (String, String) {
        let targets: Vec<&str> = route.targets.iter().map(|region| region.as_str()).collect();
        (route.source.to_string(), targets.join(" "))
    }

    fn lag(ms: u64) -> Lag {
        Lag::Reading { ms, at: Timestamp::from_millis(0) }
    }

    #[test]
    fn the_active_region_is_left_for_the_others_by_preference() {
        let plan = plan();
        for (item, source, targets) in [
            (PlanItem::default(), "eu-central-1", "eu-west-1 eu-north-1"),
            (active_in("eu-west-1"), "eu-west-1", "eu-central-1 eu-north-1"),
            (active_in("eu-north-1"), "eu-north-1", "eu-central-1 eu-west-1"),
        ] {
            let direction = away_from_the_active_region(&plan, &item).expect("in the plan");
            assert_eq!(in_words(&direction), (source.to_owned(), targets.to_owned()));
            assert_eq!(towards(&plan, &item, None).expect("in the plan"), direction);
        }
        let error = away_from_the_active_region(&plan, &active_in("us-east-1")).expect_err("not in the plan");
        assert!(error.to_string().contains("active in us-east-1"), "{error}");
    }

    #[test]
    fn a_person_goes_where_they_say_from_where_it_is_active() {
        let plan = plan();
        let go =
            |item: &PlanItem, to: &str| towards(&plan, item, Some(&region(to))).map(|direction| in_words(&direction));
        let to_north = go(&active_in("eu-west-1"), "eu-north-1").expect("in the plan");
        assert_eq!(to_north, ("eu-west-1".to_owned(), "eu-north-1".to_owned()));
        let again = go(&PlanItem::default(), "eu-central-1").expect("in the plan");
        assert_eq!(again, ("eu-west-1".to_owned(), "eu-central-1".to_owned()));
        let error = go(&PlanItem::default(), "us-east-1").expect_err("not in the plan");
        assert!(error.to_string().contains("which has eu-central-1, eu-west-1, eu-north-1"), "{error}");
    }

    #[test]
    fn the_first_target_that_is_near_enough_is_chosen_and_what_is_unknown_comes_last() {
        let (west, north) = (region("eu-west-1"), region("eu-north-1"));
        let targets = [&west, &north];
        let unknown = Lag::Unknown("no reading".to_owned());
        for (lags, expected) in [
            ([lag(10), lag(5)], &west),
            ([lag(11), lag(5)], &north),
            ([unknown.clone(), lag(5)], &north),
            ([lag(11), lag(12)], &west),
            ([unknown.clone(), lag(12)], &north),
            ([unknown.clone(), unknown], &west),
            ([Lag::NotReplicated, Lag::NotReplicated], &west),
        ] {
            assert_eq!(choose(&targets, &lags, 10).map(|(region, _)| region), Some(expected), "{lags:?}");
        }
        assert_eq!(choose(&[], &[], 10), None);
    }
}
