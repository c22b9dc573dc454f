//! A plan's item as DynamoDB's attributes. What an older item lacks reads as its default.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::attributes::{Change, Fields, Item, number, text};
use super::plan_item::{Direction, KillSwitch, NewestFailover, Phase, PlanItem, Said, Statement};
use super::writer::WriterGrant;
use crate::contract::{FailoverId, PLAN_KEY_PREFIX, PlanName, Region, Timestamp};
use crate::env::millis;
use crate::error::Error;

/// Grows by one with each write. Together with the others of [`GUARD`], whoever changes anything makes another's write
/// lose.
const REVISION: &str = "revision";
/// What has to be as it was read for a write to hold: the revision; the kill switch, since people set it in the table
/// itself, too; and what functions of an earlier version change without knowing of a revision.
const GUARD: [&str; 5] = [REVISION, "kill_switch", "generation", "failover_id", "phase"];

/// The key of a plan's item.
pub(crate) fn plan_key(plan: &PlanName) -> String {
    format!("{PLAN_KEY_PREFIX}{plan}")
}

/// The write that makes `next` of the stored item, of which `current` was read. It holds only if the item is still the
/// stored one.
///
/// # Errors
/// [`Error::Refused`] for a revision that is no number, and for a revision or generation that has no next one.
pub(super) fn plan_change(stored: &Item, current: &PlanItem, next: &PlanItem, now: Timestamp) -> Result<Change, Error> {
    let fields = Fields(stored);
    // The same number again would let a write pass that has to lose, or an older failover go on.
    let no_next = |name: &str| fields.broken(name, "has reached its end");
    let revision = fields.number_or(REVISION, 0)?.checked_add(1).ok_or_else(|| no_next(REVISION))?;
    let expect = GUARD.map(|name| (name, stored.get(name).cloned())).to_vec();
    let mut set =
        Item::from([(REVISION.to_owned(), number(revision)), ("timestamp".to_owned(), text(&now.to_string()))]);
    let mut put = |name: &str, value: AttributeValue| drop(set.insert(name.to_owned(), value));
    if next.generation > 0 {
        put("generation", number(i64::try_from(next.generation).map_err(|_| no_next("generation"))?));
    }
    if let Some(newest) = &next.newest {
        put("failover_id", text(newest.id.as_str()));
        put("phase", text(newest.phase.as_str()));
        put("status", text(newest.phase.as_str()));
        put("active_until_ms", number(newest.active_until.as_millis()));
        if let Some(direction) = &newest.direction {
            put("direction", text(&direction.to_string()));
        }
    }
    if let Some(region) = &next.active_region {
        put("active_region", text(region.as_str()));
    }
    if next.cooldowns != current.cooldowns {
        let until = |until: &Timestamp| number(until.as_millis());
        let cooldowns = next.cooldowns.iter().map(|(direction, moment)| (direction.to_string(), until(moment)));
        put("cooldowns", AttributeValue::M(cooldowns.collect()));
    }
    // Only a person's own word touches it, so that nothing else ever repairs or clears what a person has set.
    if next.kill_switch != current.kill_switch {
        put("kill_switch", AttributeValue::Bool(next.kill_switch.holds()));
    }
    if next.statements != current.statements {
        put("statements", AttributeValue::L(next.statements.iter().map(statement_attribute).collect()));
    }
    if let Some(grant) = &next.writer {
        put("writer_region", text(grant.region.as_str()));
        put("writer_until_ms", number(grant.until.as_millis()));
        put("writer_generation", number(i64::try_from(grant.generation).unwrap_or(i64::MAX)));
        put("writer_length_ms", number(i64::try_from(millis(grant.length)).unwrap_or(i64::MAX)));
    }
    Ok(Change { set, remove: Vec::new(), expect })
}

/// Reads a plan's item.
///
/// # Errors
/// [`Error::Refused`] that names the attribute which cannot be read.
pub(super) fn read_plan_item(item: &Item) -> Result<PlanItem, Error> {
    let fields = Fields(item);
    Ok(PlanItem {
        // A person may have created the item just to set the kill switch.
        generation: fields.count_or_zero("generation")?,
        newest: read_newest(&fields)?,
        active_region: read_region(&fields, "active_region")?,
        cooldowns: read_cooldowns(item, &fields)?,
        kill_switch: match item.get("kill_switch") {
            None | Some(AttributeValue::Bool(false)) => KillSwitch::Clear,
            Some(AttributeValue::Bool(true)) => KillSwitch::Set,
            Some(_) => KillSwitch::Unreadable,
        },
        statements: read_statements(item),
        writer: read_writer(item)?,
    })
}

fn read_newest(fields: &Fields) -> Result<Option<NewestFailover>, Error> {
    let Some(id) = fields.optional_text("failover_id")? else {
        return Ok(None);
    };
    let direction = match fields.optional_text("direction")? {
        Some(text) => Some(fields.checked("direction", read_direction(text))?),
        None => None,
    };
    Ok(Some(NewestFailover {
        id: fields.checked("failover_id", FailoverId::parse(id))?,
        phase: fields.parsed("phase", |text| Phase::parse(text).ok_or_else(|| format!("{text:?} is no phase")))?,
        active_until: fields.moment("active_until_ms")?,
        direction,
    }))
}

fn read_region(fields: &Fields, name: &str) -> Result<Option<Region>, Error> {
    match fields.optional_text(name)? {
        Some(region) => fields.checked(name, Region::parse(region)).map(Some),
        None => Ok(None),
    }
}

fn read_direction(text: &str) -> Result<Direction, String> {
    Direction::parse(text).ok_or_else(|| format!("{text:?} is no direction such as \"eu-central-1>eu-west-1\""))
}

fn read_cooldowns(item: &Item, fields: &Fields) -> Result<BTreeMap<Direction, Timestamp>, Error> {
    let entries = match item.get("cooldowns") {
        None => return Ok(BTreeMap::new()),
        Some(AttributeValue::M(entries)) => entries,
        Some(_) => return Err(fields.broken("cooldowns", "is not a map")),
    };
    let mut cooldowns = BTreeMap::new();
    for (direction, until) in entries {
        let direction = fields.checked("cooldowns", read_direction(direction))?;
        let until = until.as_n().ok().and_then(|digits| digits.parse().ok());
        let until = until.ok_or_else(|| fields.broken("cooldowns", "holds what is not a whole number"))?;
        cooldowns.insert(direction, fields.moment_of("cooldowns", until)?);
    }
    Ok(cooldowns)
}

/// Those that can be read: a failover must not hang on its audit trail.
fn read_statements(item: &Item) -> Vec<Statement> {
    let Some(AttributeValue::L(entries)) = item.get("statements") else {
        return Vec::new();
    };
    let statements = entries.iter().filter_map(|entry| {
        let fields = Fields(entry.as_m().ok()?);
        Some(Statement {
            said: Said::parse(fields.text("said").ok()?)?,
            by: fields.text("by").ok()?.to_owned(),
            reason: fields.text("reason").ok()?.to_owned(),
            at: fields.moment("at_ms").ok()?,
        })
    });
    statements.collect()
}

fn statement_attribute(statement: &Statement) -> AttributeValue {
    AttributeValue::M(HashMap::from([
        ("said".to_owned(), text(statement.said.as_str())),
        ("by".to_owned(), text(&statement.by)),
        ("reason".to_owned(), text(&statement.reason)),
        ("at_ms".to_owned(), number(statement.at.as_millis())),
        ("at".to_owned(), text(&statement.at.to_string())),
    ]))
}

/// Reads the writer lease of a plan's item.
///
/// # Errors
/// [`Error::Refused`] that names the attribute which cannot be read.
pub(crate) fn read_writer(item: &Item) -> Result<Option<WriterGrant>, Error> {
    let fields = Fields(item);
    let Some(region) = read_region(&fields, "writer_region")? else {
        return Ok(None);
    };
    let length = u64::try_from(fields.number("writer_length_ms")?).unwrap_or_default();
    Ok(Some(WriterGrant {
        region,
        until: fields.moment("writer_until_ms")?,
        generation: fields.count_or_zero("writer_generation")?,
        length: Duration::from_millis(length),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Initiator, Outcome, PlanName};
    use crate::ledger::Admission;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn region(code: &str) -> Region {
        Region::parse(code).expect("valid")
    }

    fn everything() -> PlanItem {
        let plan = PlanName::parse("trading").expect("valid");
        let wish = Admission {
            failover_id: FailoverId::parse("one").expect("valid"),
            initiator: Initiator::Person,
            source: region("eu-central-1"),
            target: region("eu-west-1"),
            active_until: NOW.plus_millis(60_000),
        };
        let lease = Duration::from_secs(150);
        PlanItem::default()
            .renew_writer(&region("eu-central-1"), lease, NOW)
            .and_then(|item| item.admit(&plan, &wish, NOW))
            .and_then(|item| item.close(&plan, 1, Outcome::Succeeded, &wish.direction(), NOW.plus_millis(5)))
            .expect("nothing in the way")
            .set_kill_switch(true, "ada", "maintenance", NOW)
    }

    fn written(stored: &Item, next: &PlanItem) -> Item {
        let current = read_plan_item(stored).expect("readable");
        let change = plan_change(stored, &current, next, NOW).expect("writable");
        stored.clone().into_iter().chain(change.set).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let stored = written(&Item::new(), &everything());
        assert_eq!(read_plan_item(&stored).expect("readable"), everything());
    }

    #[test]
    fn what_an_older_item_lacks_reads_as_its_default() {
        let older = Item::from([
            ("generation".to_owned(), number(3)),
            ("cooldown_until_ms".to_owned(), number(77)),
            ("failover_id".to_owned(), text("one")),
            ("phase".to_owned(), text("succeeded")),
            ("active_until_ms".to_owned(), number(5)),
            ("active_region".to_owned(), text("eu-west-1")),
        ]);
        let read = read_plan_item(&older).expect("readable");
        assert_eq!((read.generation, read.active_region.clone()), (3, Some(region("eu-west-1"))));
        assert_eq!(read.newest.as_ref().and_then(|newest| newest.direction.clone()), None);
        assert_eq!((read.kill_switch, &read.writer), (KillSwitch::Clear, &None));
        assert!(read.cooldowns.is_empty() && read.statements.is_empty());
        let kept = written(&older, &read.acknowledge("ada", "seen", NOW));
        assert_eq!(kept.get("cooldown_until_ms"), older.get("cooldown_until_ms"), "nothing is deleted");
    }

    #[test]
    fn a_kill_switch_that_is_not_a_boolean_counts_as_set_and_stays_until_a_person_clears_it() {
        for broken in [text("false"), number(0), AttributeValue::Null(true)] {
            let stored = Item::from([("kill_switch".to_owned(), broken.clone())]);
            let read = read_plan_item(&stored).expect("the rest is readable");
            assert!(read.kill_switch.holds());
            let renewed = read.renew_writer(&region("eu-west-1"), Duration::from_secs(150), NOW).expect("granted");
            assert_eq!(written(&stored, &renewed)["kill_switch"], broken);
            let cleared = written(&stored, &read.set_kill_switch(false, "ada", "done", NOW));
            assert_eq!(cleared["kill_switch"], AttributeValue::Bool(false));
        }
    }

    #[test]
    fn a_write_holds_only_for_the_revision_that_was_read_and_the_kill_switch_as_it_was() {
        let stored = written(&Item::new(), &everything());
        let change = plan_change(&stored, &everything(), &everything(), NOW).expect("writable");
        let expected: BTreeMap<_, _> = change.expect.into_iter().collect();
        assert_eq!(expected[REVISION], Some(number(1)));
        assert_eq!(expected["kill_switch"], Some(AttributeValue::Bool(true)));
        assert_eq!(change.set[REVISION], number(2));
        let first = plan_change(&Item::new(), &PlanItem::default(), &everything(), NOW).expect("writable");
        assert!(first.expect.iter().all(|(_, present)| present.is_none()), "a new item has to be absent");
    }

    #[test]
    fn each_attribute_that_cannot_be_read_is_named() {
        for (name, value) in [
            ("generation", text("one")),
            ("generation", number(-1)),
            ("direction", text("eu-west-1")),
            ("phase", text("asleep")),
            ("active_region", text("Ireland")),
            ("cooldowns", text("none")),
            ("cooldowns", AttributeValue::M(HashMap::from([("a>b".to_owned(), number(1))]))),
            ("cooldowns", AttributeValue::M(HashMap::from([("eu-west-1>eu-central-1".to_owned(), text("soon"))]))),
            ("writer_region", number(1)),
            ("writer_until_ms", text("soon")),
            ("active_until_ms", number(i64::MAX)),
            ("cooldowns", AttributeValue::M(HashMap::from([("eu-west-1>eu-central-1".to_owned(), number(i64::MIN))]))),
        ] {
            let mut stored = written(&Item::new(), &everything());
            stored.insert(name.to_owned(), value);
            let problem = read_plan_item(&stored).expect_err(name).to_string();
            assert!(problem.contains(name), "{problem}");
        }
    }

    #[test]
    fn a_number_that_cannot_grow_any_more_lets_nothing_be_written() {
        for name in [REVISION, "generation"] {
            let mut stored = written(&Item::new(), &everything());
            stored.insert(name.to_owned(), number(i64::MAX));
            let current = read_plan_item(&stored).expect("readable");
            let next = PlanItem { generation: current.generation + 1, ..current.clone() };
            let error = plan_change(&stored, &current, &next, NOW).map(drop).expect_err(name);
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_statement_that_cannot_be_read_holds_nothing_up() {
        let mut stored = written(&Item::new(), &everything());
        let Some(AttributeValue::L(statements)) = stored.get_mut("statements") else { panic!("written") };
        statements.push(text("scribble"));
        assert_eq!(read_plan_item(&stored).expect("readable").statements.len(), 1);
    }
}
