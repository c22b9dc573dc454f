//! Rules: which calls the gateway disturbs, and how.

use std::time::Duration;

use serde::Serialize;

use super::fault::Fault;
use super::request::Seen;

/// Handle of a rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(pub(super) u64);

/// What is done to which calls.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Shown in the record of each call that the rule disturbed.
    pub name: String,
    /// Which calls.
    pub matcher: Matcher,
    /// How many matching calls are let through first.
    pub skip: u32,
    /// How many calls after that are disturbed; all when not given.
    pub times: Option<u32>,
    /// What is done to them.
    pub effect: Effect,
}

impl Rule {
    /// A rule for every matching call.
    #[must_use]
    pub fn new(name: impl Into<String>, matcher: Matcher, effect: Effect) -> Self {
        Self { name: name.into(), matcher, skip: 0, times: None, effect }
    }

    /// Lets the first `calls` matching calls through.
    #[must_use]
    pub fn skip(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// Disturbs at most `calls` calls.
    #[must_use]
    pub fn times(mut self, calls: u32) -> Self {
        self.times = Some(calls);
        self
    }

    /// Nothing in `region` answers any more.
    #[must_use]
    pub fn blackout(region: impl Into<String>) -> Self {
        let region = region.into();
        Self::new(format!("blackout of {region}"), Matcher::any().region(region), Effect::Refuse)
    }
}

/// Which calls a rule is about: those for which everything given holds.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// Application name of the caller, e.g. `promote-aurora`.
    pub caller: Option<String>,
    /// Access key of the caller.
    pub access_key_id: Option<String>,
    /// Region of the SigV4 scope.
    pub region: Option<String>,
    /// Service of the SigV4 scope.
    pub service: Option<String>,
    /// Operation.
    pub operation: Option<String>,
    /// Status that the call writes into an operation's record in the ledger.
    pub ledger_status: Option<String>,
    /// Text that the body contains.
    pub body_contains: Option<String>,
    /// Share of the remaining calls, 0 to 1, drawn from the gateway's seed.
    pub probability: Option<f64>,
}

impl Matcher {
    /// Every call.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Only calls of this application.
    #[must_use]
    pub fn caller(mut self, app: impl Into<String>) -> Self {
        self.caller = Some(app.into());
        self
    }

    /// Only calls signed with this access key.
    #[must_use]
    pub fn access_key_id(mut self, id: impl Into<String>) -> Self {
        self.access_key_id = Some(id.into());
        self
    }

    /// Only calls to this Region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Only calls to this service, by its SigV4 name.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Only this operation.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Only writes into the ledger that give an operation's record this status.
    #[must_use]
    pub fn ledger_status(mut self, status: impl Into<String>) -> Self {
        self.ledger_status = Some(status.into());
        self
    }

    /// Only calls with this text in their body.
    #[must_use]
    pub fn body_contains(mut self, text: impl Into<String>) -> Self {
        self.body_contains = Some(text.into());
        self
    }

    /// Only this share of the calls, 0 to 1.
    #[must_use]
    pub fn probability(mut self, share: f64) -> Self {
        self.probability = Some(share);
        self
    }

    fn matches(&self, seen: &Seen, body: &[u8], random: &mut fastrand::Rng) -> bool {
        let is = |wanted: &Option<String>, actual: &str| wanted.as_deref().is_none_or(|wanted| wanted == actual);
        let has = |wanted: &Option<String>, actual: &Option<String>| wanted.is_none() || wanted == actual;
        has(&self.caller, &seen.caller.app)
            && has(&self.access_key_id, &seen.caller.access_key_id)
            && is(&self.region, &seen.region)
            && is(&self.service, &seen.service)
            && is(&self.operation, &seen.operation)
            && (self.ledger_status.is_none() || self.ledger_status.as_deref() == seen.written_status())
            && self.body_contains.as_deref().is_none_or(|text| contains(body, text.as_bytes()))
            && self.probability.is_none_or(|share| random.f64() < share)
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// What is done to a call.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The connection is closed without an answer, and nothing is forwarded.
    Refuse,
    /// The call is forwarded later. Other rules still apply to it.
    Delay(Duration),
    /// An error answer instead of forwarding.
    Answer(Fault),
    /// The call is forwarded and carried out, then answered with an error.
    AnswerAfterwards(Fault),
    /// The call is forwarded and carried out, then the connection is closed without an answer.
    DropAnswer,
    /// The call is forwarded and carried out, and half of the answer's body gets through.
    CutAnswer,
    /// The calling process is killed with SIGKILL.
    KillCaller(KillPoint),
}

/// When a calling process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KillPoint {
    /// The call is not carried out.
    BeforeForwarding,
    /// The call was carried out, the caller does not learn of it.
    AfterForwarding,
}

/// What the rules make of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    /// To wait before anything else.
    pub(super) delay: Duration,
    /// What is done to it then.
    pub(super) disturbance: Option<Effect>,
    /// The names of the rules that have a part in it.
    pub(super) rules: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Rules {
    active: Vec<Active>,
    next_id: u64,
    random: fastrand::Rng,
}

#[derive(Debug)]
struct Active {
    id: RuleId,
    rule: Rule,
    matched: u32,
    hits: u32,
}

impl Rules {
    pub(super) fn new(seed: u64) -> Self {
        Self { active: Vec::new(), next_id: 1, random: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn add(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.next_id);
        self.next_id += 1;
        self.active.push(Active { id, rule, matched: 0, hits: 0 });
        id
    }

    pub(super) fn remove(&mut self, id: RuleId) -> bool {
        let before = self.active.len();
        self.active.retain(|active| active.id != id);
        self.active.len() < before
    }

    pub(super) fn clear(&mut self) {
        self.active.clear();
    }

    pub(super) fn hits(&self, id: RuleId) -> u32 {
        self.active.iter().find(|active| active.id == id).map_or(0, |active| active.hits)
    }

    /// Rules apply in the order in which they were added; the first one that is not a delay decides.
    pub(super) fn judge(&mut self, seen: &Seen, body: &[u8]) -> Verdict {
        let mut verdict = Verdict::default();
        for active in &mut self.active {
            if !active.rule.matcher.matches(seen, body, &mut self.random) {
                continue;
            }
            active.matched = active.matched.saturating_add(1);
            let used_up = active.rule.times.is_some_and(|times| active.hits >= times);
            if active.matched <= active.rule.skip || used_up {
                continue;
            }
            active.hits = active.hits.saturating_add(1);
            verdict.rules.push(active.rule.name.clone());
            if let Effect::Delay(delay) = active.rule.effect {
                verdict.delay += delay;
            } else {
                verdict.disturbance = Some(active.rule.effect.clone());
                break;
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::{Caller, LedgerWrite, Protocol};
    use super::*;

    fn call(region: &str, operation: &str) -> Seen {
        Seen {
            caller: Caller { app: Some("scale-ecs".to_owned()), access_key_id: Some("ASIA1".to_owned()) },
            region: region.to_owned(),
            service: "ecs".to_owned(),
            operation: operation.to_owned(),
            protocol: Protocol::Json,
            trace_id: None,
            ledger: None,
            failover_id: None,
        }
    }

    fn disturbed(rules: &mut Rules, seen: &Seen) -> bool {
        rules.judge(seen, b"body").disturbance.is_some()
    }

    #[test]
    fn a_blackout_is_about_one_region_only() {
        let mut rules = Rules::new(1);
        let id = rules.add(Rule::blackout("eu-central-1"));
        assert!(disturbed(&mut rules, &call("eu-central-1", "UpdateService")));
        assert!(!disturbed(&mut rules, &call("eu-west-1", "UpdateService")));
        assert_eq!(rules.hits(id), 1);
        assert!(rules.remove(id));
        assert!(!disturbed(&mut rules, &call("eu-central-1", "UpdateService")));
    }

    #[test]
    fn a_rule_can_be_about_the_nth_call() {
        let mut rules = Rules::new(1);
        rules.add(Rule::new("third", Matcher::any().operation("UpdateService"), Effect::Refuse).skip(2).times(1));
        let outcomes: Vec<bool> = (0..5).map(|_| disturbed(&mut rules, &call("eu-west-1", "UpdateService"))).collect();
        assert_eq!(outcomes, [false, false, true, false, false]);
        assert!(!disturbed(&mut rules, &call("eu-west-1", "DescribeServices")));
    }

    #[test]
    fn every_given_condition_has_to_hold() {
        let matcher = Matcher::any().caller("scale-ecs").access_key_id("ASIA1").service("ecs").body_contains("od");
        let mut random = fastrand::Rng::with_seed(1);
        let seen = call("eu-west-1", "UpdateService");
        assert!(matcher.matches(&seen, b"body", &mut random));
        assert!(!matcher.matches(&seen, b"other", &mut random));
        assert!(!matcher.clone().caller("shift-dns").matches(&seen, b"body", &mut random));
        assert!(!matcher.service("rds").matches(&seen, b"body", &mut random));
    }

    #[test]
    fn a_rule_can_be_about_a_status_that_is_written_into_the_ledger() {
        let matcher = Matcher::any().ledger_status("intent");
        let mut random = fastrand::Rng::with_seed(1);
        let mut seen = call("eu-west-1", "UpdateItem");
        assert!(!matcher.matches(&seen, b"intent", &mut random), "no write into the ledger");
        for (status, expected) in [(Some("intent"), true), (Some("claimed"), false), (None, false)] {
            let status = status.map(str::to_owned);
            seen.ledger = Some(LedgerWrite { operation_id: "f#promote-aurora#trading".to_owned(), status });
            assert_eq!(matcher.matches(&seen, b"", &mut random), expected);
        }
    }

    #[test]
    fn delays_add_up_and_do_not_hide_a_later_rule() {
        let mut rules = Rules::new(1);
        rules.add(Rule::new("slow", Matcher::any(), Effect::Delay(Duration::from_millis(20))));
        rules.add(Rule::new("slower", Matcher::any(), Effect::Delay(Duration::from_millis(30))));
        rules.add(Rule::new("lost", Matcher::any(), Effect::DropAnswer));
        let verdict = rules.judge(&call("eu-west-1", "UpdateService"), b"");
        assert_eq!(verdict.delay, Duration::from_millis(50));
        assert!(matches!(verdict.disturbance, Some(Effect::DropAnswer)));
        assert_eq!(verdict.rules, ["slow", "slower", "lost"]);
    }

    #[test]
    fn the_same_seed_draws_the_same_calls() {
        let draw = |seed| {
            let mut rules = Rules::new(seed);
            rules.add(Rule::new("some", Matcher::any().probability(0.5), Effect::Refuse));
            (0..64).map(|_| disturbed(&mut rules, &call("eu-west-1", "X"))).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
