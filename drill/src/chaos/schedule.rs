//! What happens in a seed's game day: a pure function of the seed.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use super::FAULTS_CEASE_AFTER;
use crate::gateway::{Effect, Fault as Answered, KillPoint, Matcher, Rule};
use crate::moment::serialize_millis;
use crate::world::{Site, Workload};

/// Faults of one seed, at least and at most.
pub const FAULTS: RangeInclusive<usize> = 4..=7;
/// The longest that a call is held back. With a step's request it still takes effect within the call's timeout and the
/// five seconds that the product allows for that.
pub const LONGEST_DELAY: Duration = Duration::from_secs(6);
/// The shortest and the longest that an outage lasts, in milliseconds.
const OUTAGE_MS: RangeInclusive<u64> = 1_500..=4_000;
/// When a Region that was lost comes back, in milliseconds.
const RETURNS_MS: RangeInclusive<u64> = 5_000..=13_000;
/// The most calls in a row that a fault hits.
const MOST_HITS: u32 = 3;
/// The most further deliveries of an alarm.
const MOST_COPIES: usize = 12;

/// A seed's game day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// The seed.
    pub seed: u64,
    /// Why there is a failover.
    pub incident: Incident,
    /// What a person says who is asked.
    pub approves: bool,
    /// What disturbs it.
    pub faults: Vec<Fault>,
}

/// Why there is a failover, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Incident {
    /// The primary Region is lost, for good.
    Lost,
    /// It is lost, and comes back so long after.
    LostAndBack(#[serde(serialize_with = "serialize_millis")] Duration),
    /// A person orders a switchover.
    Switchover,
    /// The alarms go off, and all is well.
    FalseAlarm,
}

impl Incident {
    /// Whether an alarm starts it.
    #[must_use]
    pub const fn by_alarm(self) -> bool {
        !matches!(self, Self::Switchover)
    }

    /// The latest beginning of an outage or an act, in milliseconds: as long as the run takes by itself, about.
    const fn latest_ms(self) -> u64 {
        match self {
            Self::Switchover => 2_500,
            Self::Lost | Self::LostAndBack(_) => 8_000,
            // It takes until the alarms are given up.
            Self::FalseAlarm => 10_000,
        }
    }

    /// Whether the primary Region is lost by it.
    #[must_use]
    pub const fn loses_region(self) -> bool {
        matches!(self, Self::Lost | Self::LostAndBack(_))
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => write!(f, "{} is lost for good", Site::Primary),
            Self::LostAndBack(after) => write!(f, "{} is lost, and back after {}", Site::Primary, seconds(*after)),
            Self::Switchover => write!(f, "a person orders a switchover to {}", Site::Standby),
            Self::FalseAlarm => f.write_str("the alarms go off for nothing"),
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its number in the list, from 1.
    pub number: usize,
    /// When it begins, counted from the start.
    #[serde(serialize_with = "serialize_millis", rename = "from_ms")]
    pub from: Duration,
    /// When it has ceased; for an act, until when it waits for its occasion.
    #[serde(serialize_with = "serialize_millis", rename = "until_ms")]
    pub until: Duration,
    /// What it is.
    pub what: What,
}

/// What a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Certain calls go wrong.
    Calls(Aim, Harm),
    /// Something is in a bad state for a while.
    Spell(Spell),
    /// Somebody does something.
    Act(Act),
}

/// Which calls go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Aim {
    /// Whose.
    pub function: Function,
    /// What they are for.
    pub purpose: Purpose,
    /// The operation.
    pub operation: &'static str,
    /// How many such calls go well before.
    pub skip: u32,
    /// How many go wrong then.
    pub times: u32,
}

/// A function of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// Triggers, decides, concludes.
    HealthProbe,
    /// Promotes the database.
    PromoteAurora,
    /// Scales the services.
    ScaleEcs,
    /// Moves the traffic.
    ShiftDns,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Claiming an operation in the ledger.
    Claim,
    /// Asking the ledger whether it may act.
    Gate,
    /// Looking at AWS.
    Read,
    /// Writing down what is about to be changed.
    Intent,
    /// Changing AWS.
    Change,
    /// Writing down that it is done.
    Completion,
}

/// What befalls a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// It is throttled.
    Throttled,
    /// It is answered 503, and not carried out.
    Unavailable,
    /// It is carried out, and answered 503.
    UnavailableAfterwards,
    /// Its connection is closed before it is carried out.
    ClosedBefore,
    /// It is carried out, and its connection closed before the answer.
    AnswerLost,
    /// It is carried out, and half of the answer arrives.
    AnswerCut,
    /// It is held back, and carried out even when its caller has given up.
    Delayed(#[serde(serialize_with = "serialize_millis")] Duration),
    /// The process that makes it is killed.
    Killed(KillPoint),
}

/// What lasts for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spell {
    /// The ledger's service answers nobody.
    LedgerDown,
    /// No function reaches a Region's APIs.
    Partition(Site),
    /// The primary Region is lost, and comes back.
    RegionLost,
    /// Every connection is refused.
    ConnectionsRefused,
    /// A person has the kill switch set.
    KillSwitch,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The alarm is delivered so many times more.
    AlarmAgain(usize),
    /// A person starts an execution beside the one that there is.
    OrderBeside,
    /// A step's request that was sent is sent once more, as it is.
    Twin(Function),
    /// A person asks a function for the step by hand, without the run.
    ByHand(Function),
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`Harm::Throttled`]
    Throttled,
    /// [`Harm::Unavailable`]
    Unavailable,
    /// [`Harm::UnavailableAfterwards`]
    UnavailableAfterwards,
    /// [`Harm::ClosedBefore`]
    ClosedBefore,
    /// [`Harm::AnswerLost`]
    AnswerLost,
    /// [`Harm::AnswerCut`]
    AnswerCut,
    /// [`Harm::Delayed`]
    Delayed,
    /// [`Harm::Killed`], before the call is carried out
    KilledBefore,
    /// [`Harm::Killed`], after the call was carried out
    KilledAfter,
    /// [`Spell::LedgerDown`]
    LedgerDown,
    /// [`Spell::Partition`]
    Partition,
    /// [`Spell::RegionLost`]
    RegionLost,
    /// [`Spell::ConnectionsRefused`]
    ConnectionsRefused,
    /// [`Spell::KillSwitch`]
    KillSwitch,
    /// [`Act::AlarmAgain`]
    AlarmAgain,
    /// [`Act::OrderBeside`]
    OrderBeside,
    /// [`Act::Twin`]
    Twin,
    /// [`Act::ByHand`]
    ByHand,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Throttled,
        Self::Unavailable,
        Self::UnavailableAfterwards,
        Self::ClosedBefore,
        Self::AnswerLost,
        Self::AnswerCut,
        Self::Delayed,
        Self::KilledBefore,
        Self::KilledAfter,
        Self::LedgerDown,
        Self::Partition,
        Self::RegionLost,
        Self::ConnectionsRefused,
        Self::KillSwitch,
        Self::AlarmAgain,
        Self::OrderBeside,
        Self::Twin,
        Self::ByHand,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::UnavailableAfterwards => "unavailable-afterwards",
            Self::ClosedBefore => "closed-before",
            Self::AnswerLost => "answer-lost",
            Self::AnswerCut => "answer-cut",
            Self::Delayed => "delayed",
            Self::KilledBefore => "killed-before",
            Self::KilledAfter => "killed-after",
            Self::LedgerDown => "ledger-down",
            Self::Partition => "partition",
            Self::RegionLost => "region-lost",
            Self::ConnectionsRefused => "connections-refused",
            Self::KillSwitch => "kill-switch",
            Self::AlarmAgain => "alarm-again",
            Self::OrderBeside => "order-beside",
            Self::Twin => "twin",
            Self::ByHand => "by-hand",
        }
    }

    /// Whether it can occur beside this incident.
    const fn fits(self, incident: Incident) -> bool {
        let alarm_is_there = !matches!(self, Self::AlarmAgain) || incident.by_alarm();
        // What is lost already cannot be lost.
        let region_is_there = !matches!(self, Self::RegionLost) || !incident.loses_region();
        alarm_is_there && region_is_there
    }
}

impl What {
    /// Its kind.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Calls(_, harm) => match harm {
                Harm::Throttled => Kind::Throttled,
                Harm::Unavailable => Kind::Unavailable,
                Harm::UnavailableAfterwards => Kind::UnavailableAfterwards,
                Harm::ClosedBefore => Kind::ClosedBefore,
                Harm::AnswerLost => Kind::AnswerLost,
                Harm::AnswerCut => Kind::AnswerCut,
                Harm::Delayed(_) => Kind::Delayed,
                Harm::Killed(KillPoint::BeforeForwarding) => Kind::KilledBefore,
                Harm::Killed(KillPoint::AfterForwarding) => Kind::KilledAfter,
            },
            Self::Spell(Spell::LedgerDown) => Kind::LedgerDown,
            Self::Spell(Spell::Partition(_)) => Kind::Partition,
            Self::Spell(Spell::RegionLost) => Kind::RegionLost,
            Self::Spell(Spell::ConnectionsRefused) => Kind::ConnectionsRefused,
            Self::Spell(Spell::KillSwitch) => Kind::KillSwitch,
            Self::Act(Act::AlarmAgain(_)) => Kind::AlarmAgain,
            Self::Act(Act::OrderBeside) => Kind::OrderBeside,
            Self::Act(Act::Twin(_)) => Kind::Twin,
            Self::Act(Act::ByHand(_)) => Kind::ByHand,
        }
    }
}

impl Aim {
    /// Whether it is about what an alarm sets off at once.
    fn is_trigger(self) -> bool {
        self.function == Function::HealthProbe && self.purpose == Purpose::Change
    }
}

impl Function {
    const ALL: [Self; 4] = [Self::HealthProbe, Self::PromoteAurora, Self::ScaleEcs, Self::ShiftDns];
    /// Those whose requests are in the decided run.
    const STEPS: [Self; 3] = [Self::PromoteAurora, Self::ScaleEcs, Self::ShiftDns];
    /// Those that a person may ask by hand at any time. Traffic is no such step: whoever moves it by hand answers for it.
    const BY_HAND: [Self; 2] = [Self::PromoteAurora, Self::ScaleEcs];

    /// Its package.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HealthProbe => "health-probe",
            Self::PromoteAurora => "promote-aurora",
            Self::ScaleEcs => "scale-ecs",
            Self::ShiftDns => "shift-dns",
        }
    }

    const fn purposes(self, incident: Incident) -> &'static [Purpose] {
        use Purpose::{Change, Claim, Completion, Gate, Intent, Read};
        match self {
            // What it changes is that it starts the execution and tells people.
            Self::HealthProbe if incident.by_alarm() => &[Claim, Gate, Read, Change, Completion],
            Self::HealthProbe => &[Claim, Gate, Read, Completion],
            // Nothing is to be changed, but everything is checked.
            Self::PromoteAurora | Self::ScaleEcs | Self::ShiftDns if matches!(incident, Incident::FalseAlarm) => {
                &[Read]
            }
            Self::PromoteAurora | Self::ScaleEcs | Self::ShiftDns => &[Claim, Gate, Read, Intent, Change, Completion],
        }
    }

    const fn reads(self) -> &'static [&'static str] {
        match self {
            Self::HealthProbe => &["DescribeAlarms", "GetMetricData", "DescribeGlobalClusters"],
            Self::PromoteAurora => &["DescribeGlobalClusters", "DescribeDBClusters"],
            Self::ScaleEcs => &["DescribeServices", "DescribeScalableTargets"],
            Self::ShiftDns => &["ListResourceRecordSets", "GetChange"],
        }
    }

    const fn changes(self, incident: Incident) -> &'static [&'static str] {
        match (self, incident) {
            (Self::HealthProbe, _) => &["StartExecution", "Publish"],
            (Self::PromoteAurora, Incident::Switchover) => &["SwitchoverGlobalCluster"],
            (Self::PromoteAurora, _) => &["FailoverGlobalCluster"],
            (Self::ScaleEcs, _) => &["RegisterScalableTarget", "UpdateService"],
            (Self::ShiftDns, _) => &["ChangeResourceRecordSets"],
        }
    }
}

impl Purpose {
    const fn writes(self) -> bool {
        matches!(self, Self::Claim | Self::Intent | Self::Change | Self::Completion)
    }

    /// The status that such a call writes into the ledger, if it does.
    const fn ledger_status(self) -> Option<&'static str> {
        match self {
            Self::Claim => Some("claimed"),
            Self::Intent => Some("intent"),
            Self::Completion => Some("completed"),
            Self::Gate | Self::Read | Self::Change => None,
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Claim => "claims an operation",
            Self::Gate => "asks the gate",
            Self::Read => "looks",
            Self::Intent => "writes its intent down",
            Self::Change => "makes its change",
            Self::Completion => "writes the completion down",
        }
    }
}

impl Harm {
    const fn needs_write(self) -> bool {
        matches!(self, Self::UnavailableAfterwards | Self::AnswerLost | Self::AnswerCut | Self::Delayed(_))
    }

    fn effect(self) -> Effect {
        match self {
            Self::Throttled => Effect::Answer(Answered::Throttled),
            Self::Unavailable => Effect::Answer(Answered::Unavailable),
            Self::UnavailableAfterwards => Effect::AnswerAfterwards(Answered::Unavailable),
            Self::ClosedBefore => Effect::Refuse,
            Self::AnswerLost => Effect::DropAnswer,
            Self::AnswerCut => Effect::CutAnswer,
            Self::Delayed(delay) => Effect::Delay(delay),
            Self::Killed(point) => Effect::KillCaller(point),
        }
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled => f.write_str("throttled"),
            Self::Unavailable => f.write_str("answered 503, not carried out"),
            Self::UnavailableAfterwards => f.write_str("carried out, then answered 503"),
            Self::ClosedBefore => f.write_str("connection closed before it is carried out"),
            Self::AnswerLost => f.write_str("carried out, then connection closed"),
            Self::AnswerCut => f.write_str("carried out, half of the answer arrives"),
            Self::Delayed(delay) => write!(f, "held back for {}", seconds(*delay)),
            Self::Killed(KillPoint::BeforeForwarding) => f.write_str("killed before the call is carried out"),
            Self::Killed(KillPoint::AfterForwarding) => f.write_str("killed after the call is carried out"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Calls(aim, harm) => {
                let (function, purpose) = (aim.function.name(), aim.purpose.in_words());
                write!(f, "{function}, when it {purpose} ({}): {harm}", aim.operation)?;
                if aim.times > 1 {
                    write!(f, ", {} times", aim.times)?;
                }
                if aim.skip > 0 {
                    write!(f, ", after {} that went well", aim.skip)?;
                }
                Ok(())
            }
            What::Spell(spell) => {
                let lasts = seconds(self.until.saturating_sub(self.from));
                match spell {
                    Spell::LedgerDown => write!(f, "the ledger does not answer for {lasts}"),
                    Spell::Partition(site) => write!(f, "no function reaches {site} for {lasts}"),
                    Spell::RegionLost => write!(f, "{} is lost for {lasts}", Site::Primary),
                    Spell::ConnectionsRefused => write!(f, "every connection is refused for {lasts}"),
                    Spell::KillSwitch => write!(f, "a person sets the kill switch, and clears it {lasts} later"),
                }
            }
            What::Act(Act::AlarmAgain(copies)) => write!(f, "the alarm is delivered {copies} times more"),
            What::Act(Act::OrderBeside) => f.write_str("a person starts another execution"),
            What::Act(Act::Twin(function)) => write!(f, "{} is invoked twice with the same request", function.name()),
            What::Act(Act::ByHand(function)) => write!(f, "a person invokes {} by hand", function.name()),
        }
    }
}

impl Fault {
    /// The name of its rule at the gateway.
    #[must_use]
    pub fn rule_name(&self) -> String {
        format!("fault {}: {self}", self.number)
    }

    /// What it does at the gateway; none for a fault that is not about calls.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        let (matcher, effect) = match self.what {
            What::Calls(aim, harm) => {
                let caller = format!("failover-{}-{}", Workload::default().suffix(), aim.function.name());
                let mut matcher = Matcher::any().caller(caller).operation(aim.operation);
                matcher.ledger_status = aim.purpose.ledger_status().map(str::to_owned);
                let rule = Rule::new(self.rule_name(), matcher, harm.effect());
                return Some(rule.skip(aim.skip).times(aim.times));
            }
            What::Spell(Spell::LedgerDown) => (Matcher::any().service("dynamodb"), Effect::Refuse),
            What::Spell(Spell::Partition(site)) => (Matcher::any().region(site.region()), Effect::Refuse),
            What::Spell(Spell::RegionLost) => (Matcher::any().region(Site::Primary.region()), Effect::Refuse),
            What::Spell(Spell::ConnectionsRefused | Spell::KillSwitch) | What::Act(_) => return None,
        };
        Some(Rule::new(self.rule_name(), matcher, effect))
    }
}

impl Schedule {
    /// Draws a seed's game day.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let incident = draw_incident(&mut random);
        let approves = random.u8(0..4) > 0;
        let mut kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.fits(incident)).collect();
        random.shuffle(&mut kinds);
        kinds.truncate(random.usize(FAULTS));
        let mut faults: Vec<Fault> = kinds.into_iter().map(|kind| draw_fault(kind, incident, &mut random)).collect();
        faults.sort_by_key(|fault| fault.from);
        for (fault, number) in faults.iter_mut().zip(1..) {
            fault.number = number;
        }
        Self { seed, incident, approves, faults }
    }

    /// The list for a reader.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut lines = vec![format!("  {}; whoever is asked {}", self.incident, self.answer_in_words())];
        let line = |fault: &Fault| format!("  {:>2}  from {:>7}  {fault}", fault.number, seconds(fault.from));
        lines.extend(self.faults.iter().map(line));
        lines.join("\n")
    }

    fn answer_in_words(&self) -> &'static str {
        if self.approves { "approves" } else { "declines" }
    }
}

fn draw_incident(random: &mut fastrand::Rng) -> Incident {
    match random.u8(0..20) {
        0..=7 => Incident::Lost,
        8..=12 => Incident::LostAndBack(Duration::from_millis(random.u64(RETURNS_MS))),
        13..=16 => Incident::Switchover,
        _rest => Incident::FalseAlarm,
    }
}

fn draw_fault(kind: Kind, incident: Incident, random: &mut fastrand::Rng) -> Fault {
    let what = draw_what(kind, incident, random);
    let latest_ms = match what {
        // These wait for their calls anyway.
        What::Calls(aim, _) if aim.is_trigger() => 0,
        What::Calls(..) => incident.latest_ms() / 4,
        What::Spell(_) | What::Act(_) => incident.latest_ms(),
    };
    let from = Duration::from_millis(random.u64(0..=latest_ms));
    let until = match what {
        What::Spell(_) => from + Duration::from_millis(random.u64(OUTAGE_MS)),
        What::Calls(..) | What::Act(_) => FAULTS_CEASE_AFTER,
    };
    Fault { number: 0, from, until, what }
}

fn draw_what(kind: Kind, incident: Incident, random: &mut fastrand::Rng) -> What {
    let harm = match kind {
        Kind::Throttled => Harm::Throttled,
        Kind::Unavailable => Harm::Unavailable,
        Kind::UnavailableAfterwards => Harm::UnavailableAfterwards,
        Kind::ClosedBefore => Harm::ClosedBefore,
        Kind::AnswerLost => Harm::AnswerLost,
        Kind::AnswerCut => Harm::AnswerCut,
        Kind::Delayed => Harm::Delayed(LONGEST_DELAY.mul_f64(random.f64().max(0.1))),
        Kind::KilledBefore => Harm::Killed(KillPoint::BeforeForwarding),
        Kind::KilledAfter => Harm::Killed(KillPoint::AfterForwarding),
        Kind::LedgerDown => return What::Spell(Spell::LedgerDown),
        Kind::Partition if incident.loses_region() => return What::Spell(Spell::Partition(Site::Standby)),
        Kind::Partition => return What::Spell(Spell::Partition(pick(random, &Site::PAIR))),
        Kind::RegionLost => return What::Spell(Spell::RegionLost),
        Kind::ConnectionsRefused => return What::Spell(Spell::ConnectionsRefused),
        Kind::KillSwitch => return What::Spell(Spell::KillSwitch),
        Kind::AlarmAgain => return What::Act(Act::AlarmAgain(random.usize(1..=MOST_COPIES))),
        Kind::OrderBeside => return What::Act(Act::OrderBeside),
        Kind::Twin => return What::Act(Act::Twin(pick(random, &Function::STEPS))),
        Kind::ByHand => return What::Act(Act::ByHand(pick(random, &Function::BY_HAND))),
    };
    What::Calls(draw_aim(harm, incident, random), harm)
}

fn draw_aim(harm: Harm, incident: Incident, random: &mut fastrand::Rng) -> Aim {
    // A look that was carried out is as good as one that was not.
    let suits = |purpose: &Purpose| purpose.writes() || !harm.needs_write();
    let purposes = |function: Function| function.purposes(incident).iter().copied().filter(suits);
    let functions: Vec<Function> =
        Function::ALL.into_iter().filter(|function| purposes(*function).next().is_some()).collect();
    let function = pick(random, &functions);
    let purpose = pick(random, &purposes(function).collect::<Vec<_>>());
    let operation = match purpose {
        Purpose::Claim | Purpose::Intent | Purpose::Completion => "UpdateItem",
        Purpose::Gate => "GetItem",
        Purpose::Read => pick(random, function.reads()),
        Purpose::Change => pick(random, function.changes(incident)),
    };
    // The probe has several operations; what fences has two.
    let has_two = function == Function::HealthProbe || (incident.loses_region() && function != Function::ShiftDns);
    let most_skipped = match purpose {
        Purpose::Gate | Purpose::Read => 1,
        Purpose::Claim if has_two => 1,
        Purpose::Completion if function == Function::HealthProbe => 1,
        Purpose::Claim | Purpose::Intent | Purpose::Change | Purpose::Completion => 0,
    };
    let most_hits = if matches!(harm, Harm::Killed(_) | Harm::Delayed(_)) { 2 } else { MOST_HITS };
    Aim { function, purpose, operation, skip: random.u32(0..=most_skipped), times: random.u32(1..=most_hits) }
}

/// One of them; there is always at least one.
fn pick<T: Copy>(random: &mut fastrand::Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn schedules(seeds: u64) -> impl Iterator<Item = Schedule> {
        (0..seeds).map(Schedule::draw)
    }

    #[test]
    fn the_same_seed_draws_the_same_game_day_and_another_one_another() {
        assert_eq!(Schedule::draw(7), Schedule::draw(7));
        assert_ne!(Schedule::draw(7).faults, Schedule::draw(8).faults);
    }

    #[test]
    fn every_kind_every_incident_and_a_kill_at_every_purpose_is_among_the_first_hundred_seeds() {
        let drawn: Vec<Schedule> = schedules(100).collect();
        let faults = || drawn.iter().flat_map(|schedule| &schedule.faults);
        let kinds: BTreeSet<Kind> = faults().map(|fault| fault.what.kind()).collect();
        assert_eq!(kinds, Kind::ALL.into());
        for point in [KillPoint::BeforeForwarding, KillPoint::AfterForwarding] {
            let killed = faults().filter_map(|fault| match fault.what {
                What::Calls(aim, harm) => (harm == Harm::Killed(point)).then_some(aim.purpose),
                What::Spell(_) | What::Act(_) => None,
            });
            assert_eq!(killed.collect::<BTreeSet<Purpose>>().len(), 6, "{point:?}");
        }
        for incident in [Incident::Lost, Incident::Switchover, Incident::FalseAlarm] {
            assert!(drawn.iter().any(|schedule| schedule.incident == incident), "{incident}");
        }
        assert!(drawn.iter().any(|schedule| matches!(schedule.incident, Incident::LostAndBack(_))));
        assert!(drawn.iter().any(|schedule| schedule.approves) && drawn.iter().any(|schedule| !schedule.approves));
    }

    #[test]
    fn all_faults_are_within_their_bounds_and_cease_in_time() {
        for schedule in schedules(1_000) {
            assert!(FAULTS.contains(&schedule.faults.len()), "seed {}", schedule.seed);
            for (fault, number) in schedule.faults.iter().zip(1..) {
                assert_eq!(fault.number, number, "seed {}", schedule.seed);
                assert!(fault.from < fault.until && fault.until <= FAULTS_CEASE_AFTER, "seed {}", schedule.seed);
                assert!(fault.what.kind().fits(schedule.incident), "seed {}", schedule.seed);
                if let What::Calls(aim, harm) = fault.what {
                    assert!((1..=MOST_HITS).contains(&aim.times) && aim.skip <= 1, "seed {}", schedule.seed);
                    assert!(aim.function.purposes(schedule.incident).contains(&aim.purpose), "seed {}", schedule.seed);
                    assert!(!matches!(harm, Harm::Delayed(delay) if delay > LONGEST_DELAY), "seed {}", schedule.seed);
                }
            }
            let kinds: BTreeSet<Kind> = schedule.faults.iter().map(|fault| fault.what.kind()).collect();
            assert_eq!(kinds.len(), schedule.faults.len(), "seed {}: each kind once", schedule.seed);
        }
    }

    #[test]
    fn a_fault_of_calls_is_a_rule_about_just_these() {
        let aim = Aim {
            function: Function::ShiftDns,
            purpose: Purpose::Completion,
            operation: "UpdateItem",
            skip: 1,
            times: 2,
        };
        let fault = Fault {
            number: 3,
            from: Duration::ZERO,
            until: FAULTS_CEASE_AFTER,
            what: What::Calls(aim, Harm::AnswerLost),
        };
        let rule = fault.rule().expect("a rule");
        assert_eq!(rule.matcher.caller.as_deref(), Some("failover-drill-shift-dns"));
        assert_eq!(rule.matcher.ledger_status.as_deref(), Some("completed"));
        assert_eq!((rule.skip, rule.times), (1, Some(2)));
        assert!(matches!(rule.effect, Effect::DropAnswer));
        let text = fault.to_string();
        assert_eq!(
            text,
            "shift-dns, when it writes the completion down (UpdateItem): carried out, then connection closed, 2 times, \
             after 1 that went well"
        );
    }
}
