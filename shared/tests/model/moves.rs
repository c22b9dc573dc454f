//! Everything that may happen in a state: the workers' steps, the network's, time's, and mishaps while there are any left.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use failover::contract::{FailoverId, Initiator, Outcome, Region, Timestamp};
use failover::ledger::plan_item::Phase;
use failover::ledger::{Admission, Direction, PlanItem};
use stateright::{Model, Property};

use super::invocation::plan_name;
use super::promises::{self, is_completed};
use super::setup::Orchestrator;
use super::world::{Breach, Cut, End, Place, Worker, World};

/// How many invocations one of several operations has at most.
const MOST_PER_OPERATION: usize = 2;

/// One thing that happens. Workers, operations and failovers are counted from 1 in its text, as in tokens and ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Start { worker: usize, operation: usize, skew: i64 },
    Deliver { worker: usize },
    DeliverUnheard { worker: usize },
    DeliverTwice { worker: usize },
    TimeOut { worker: usize, late: bool },
    Read { worker: usize },
    ReadFails { worker: usize },
    GoOn { worker: usize },
    Wake { worker: usize },
    Send { worker: usize },
    Arrive { request: usize },
    ArriveUnheard { request: usize },
    Vanish { request: usize },
    Reject { request: usize, again: bool },
    LoseSight { worker: usize },
    Crash { worker: usize, late: bool },
    LateArrives,
    LateVanishes,
    Admit { failover: usize },
    Close,
    Tick,
}

impl Move {
    /// Whether by it time, a worker or a message goes on that is under way already.
    pub(crate) fn is_progress(self) -> bool {
        !matches!(self, Self::Start { .. } | Self::Admit { .. } | Self::Close)
    }

    /// Whether it is one of the mishaps that are counted, a crash apart.
    pub(crate) fn is_mishap(self) -> bool {
        matches!(
            self,
            Self::DeliverUnheard { .. }
                | Self::DeliverTwice { .. }
                | Self::TimeOut { .. }
                | Self::ReadFails { .. }
                | Self::ArriveUnheard { .. }
                | Self::Reject { .. }
        )
    }
}

fn region(code: &str) -> Region {
    Region::parse(code).expect("valid")
}

fn direction() -> Direction {
    Direction::new(region("eu-central-1"), region("eu-west-1"))
}

/// When a path begins, in milliseconds; not the epoch, which is what a released lease is set to.
pub(crate) const BEGINNING: i64 = 1_000_000;
/// How many moves, and how many further invocations, an undisturbed end is given.
const MOST_MOVES: usize = 200;
const MOST_INVOCATIONS: usize = 3;

impl Orchestrator {
    fn admission(&self, failover: usize, now: i64) -> Admission {
        let Direction { source, target } = direction();
        Admission {
            // Of another length each, which is what a state's key tells them apart by.
            failover_id: FailoverId::parse(&format!("failover-{}", "i".repeat(failover + 1))).expect("valid"),
            initiator: Initiator::Person,
            source,
            target,
            active_until: Timestamp::from_millis(now + self.timing.budget),
        }
    }

    fn admit(&self, world: &World, failover: usize) -> Option<PlanItem> {
        let wish = self.admission(failover, world.now);
        world.plan.admit(&plan_name(), &wish, Timestamp::from_millis(world.now)).ok()
    }

    fn new_worker() -> Worker {
        Worker {
            skew: 0,
            operation: 0,
            place: Place::Idle,
            limit: 0,
            deadline: 0,
            held: None,
            earlier: None,
            acted: false,
            gated_in: 0,
            reason: End::Done,
        }
    }

    fn world(&self) -> World {
        let now = BEGINNING;
        let plan = PlanItem::default().admit(&plan_name(), &self.admission(0, now), Timestamp::from_millis(now));
        World {
            now,
            plan: Arc::new(plan.expect("nothing in its way")),
            records: vec![None; self.failovers],
            applied: vec![0; self.failovers],
            workers: vec![Self::new_worker(); self.workers],
            requests: Vec::new(),
            late: None,
            crashes: self.crashes,
            mishaps: self.mishaps,
            breach: None,
            watched: self.watched,
            cut: Cut::of(self),
        }
    }

    /// What may happen without anything going wrong.
    pub(crate) fn regular_moves(&self, world: &World) -> Vec<Move> {
        let mut moves = Vec::new();
        // Workers that were not invoked yet are all alike: the first.
        if let Some(worker) = world.workers.iter().position(|worker| matches!(worker.place, Place::Idle)) {
            let admitted = usize::try_from(world.plan.generation).expect("few").min(self.failovers);
            let skews = &self.timing.skews;
            let free = (0..admitted).filter(|operation| self.may_be_asked_for(world, *operation));
            moves.extend(
                free.flat_map(|operation| skews.iter().map(move |skew| Move::Start { worker, operation, skew: *skew })),
            );
        }
        for (worker, invocation) in world.workers.iter().enumerate() {
            match invocation.place {
                Place::Writing(_) => moves.push(Move::Deliver { worker }),
                Place::Gating { .. } | Place::Looking { .. } => moves.push(Move::Read { worker }),
                Place::Gated(_) | Place::Looked { .. } => moves.push(Move::GoOn { worker }),
                Place::Sleeping { until } if until <= world.now => moves.push(Move::Wake { worker }),
                Place::Sending => moves.push(Move::Send { worker }),
                Place::Awaiting if !under_way(world, worker) => moves.push(Move::LoseSight { worker }),
                Place::Sleeping { .. } | Place::Awaiting | Place::Idle | Place::Ended(_) | Place::Crashed => {}
            }
        }
        for (request, sent) in world.requests.iter().enumerate() {
            moves.push(Move::Arrive { request });
            if !is_awaited(world, sent.sender) {
                moves.push(Move::Vanish { request });
            }
        }
        if world.late.is_some() {
            moves.extend([Move::LateArrives, Move::LateVanishes]);
        }
        moves.extend(self.next_failover(world));
        moves.extend(self.end_of_failover(world));
        if self.may_tick(world) {
            moves.push(Move::Tick);
        }
        moves
    }

    /// Whether the newest failover's operation gets completed by further invocations, if nothing goes wrong any more.
    /// What happens in what order does not matter then: the first possible move each time, and time only when there is
    /// none.
    pub(crate) fn completes_undisturbed(&self, world: &World) -> bool {
        let operation = newest_operation(world);
        let mut world = World { mishaps: 0, crashes: 0, ..world.clone() };
        world.workers.retain(|worker| !matches!(worker.place, Place::Idle));
        let invoked = world.workers.len();
        for _ in 0..MOST_MOVES {
            if is_completed(&world, operation) {
                return true;
            }
            if !world.workers.iter().any(|worker| worker.is_at_work() || matches!(worker.place, Place::Idle)) {
                if world.workers.len() == invoked + MOST_INVOCATIONS {
                    return false;
                }
                world.workers.push(Self::new_worker());
            }
            let worker = world.workers.len() - 1;
            let mut moves = self.regular_moves(&world);
            moves.retain(|made| made.is_progress() && *made != Move::Tick);
            moves.push(Move::Start { worker, operation, skew: 0 });
            moves.retain(|made| {
                !matches!(made, Move::Start { .. }) || matches!(world.workers[worker].place, Place::Idle)
            });
            moves.push(Move::Tick);
            let Some(next) = moves.into_iter().find_map(|made| self.after(&world, made)) else { return false };
            world = next;
        }
        false
    }

    /// Three workers on one operation are the business of the model with one failover.
    fn may_be_asked_for(&self, world: &World, operation: usize) -> bool {
        let asked = world.workers.iter().filter(|worker| worker.operation == operation);
        self.failovers == 1 || asked.filter(|worker| !matches!(worker.place, Place::Idle)).count() < MOST_PER_OPERATION
    }

    /// The failover to come next, if there is one and the plan's rules let it in.
    fn next_failover(&self, world: &World) -> Option<Move> {
        let failover = usize::try_from(world.plan.generation).expect("few");
        (failover < self.failovers && self.admit(world, failover).is_some()).then_some(Move::Admit { failover })
    }

    /// Closing the newest failover matters only while there is one to come after it.
    fn end_of_failover(&self, world: &World) -> Option<Move> {
        let more = usize::try_from(world.plan.generation).expect("few") < self.failovers;
        let active = world.plan.newest.as_ref().is_some_and(|newest| newest.phase == Phase::Active);
        (more && active).then_some(Move::Close)
    }

    /// Time passes only while nobody would have to have gone on, and nothing to have arrived.
    fn may_tick(&self, world: &World) -> bool {
        let then = world.now + self.timing.tick;
        world.workers.iter().all(|worker| !worker.is_at_work() || then <= worker.limit)
            && world.requests.iter().all(|request| then <= request.until)
            && world.late.as_ref().is_none_or(|late| then <= late.until)
    }

    fn mishaps_in(world: &World) -> Vec<Move> {
        let mut moves = Vec::new();
        for (worker, invocation) in world.workers.iter().enumerate() {
            match invocation.place {
                Place::Writing(_) => {
                    moves.push(Move::DeliverUnheard { worker });
                    moves.push(Move::TimeOut { worker, late: false });
                    if world.late.is_none() {
                        moves.push(Move::TimeOut { worker, late: true });
                        moves.push(Move::DeliverTwice { worker });
                    }
                }
                Place::Gating { .. } | Place::Looking { .. } => moves.push(Move::ReadFails { worker }),
                Place::Awaiting if under_way(world, worker) => moves.push(Move::LoseSight { worker }),
                _ => {}
            }
        }
        for (request, sent) in world.requests.iter().enumerate() {
            if is_awaited(world, sent.sender) {
                moves.extend([Move::ArriveUnheard { request }, Move::Vanish { request }]);
                moves.push(Move::Reject { request, again: false });
                if world.own_now(sent.sender) <= world.workers[sent.sender].deadline {
                    moves.push(Move::Reject { request, again: true });
                }
            }
        }
        moves
    }

    fn crashes_in(world: &World) -> Vec<Move> {
        let mut moves = Vec::new();
        for (worker, invocation) in world.workers.iter().enumerate().filter(|(_, worker)| worker.is_at_work()) {
            moves.push(Move::Crash { worker, late: false });
            if matches!(invocation.place, Place::Writing(_)) && world.late.is_none() {
                moves.push(Move::Crash { worker, late: true });
            }
        }
        moves
    }

    /// The state after a move.
    pub(crate) fn after(&self, world: &World, made: Move) -> Option<World> {
        if let Move::Start { worker, operation, skew } = made {
            return self.start(world, worker, operation, skew);
        }
        let mut next = world.clone();
        let counted = match made {
            Move::LoseSight { worker } => under_way(world, worker),
            Move::Vanish { request } => is_awaited(world, world.requests[request].sender),
            _ => made.is_mishap(),
        };
        next.mishaps -= u8::from(counted);
        match made {
            Move::Start { .. } => return None,
            Move::Deliver { worker } => self.deliver(&mut next, worker),
            Move::DeliverUnheard { worker } => self.store_unheard(&mut next, worker),
            Move::DeliverTwice { worker } => {
                self.leave_late(&mut next, worker);
                self.deliver(&mut next, worker);
            }
            Move::TimeOut { worker, late } => {
                if late {
                    self.leave_late(&mut next, worker);
                }
                self.time_out(&mut next, worker);
            }
            Move::Read { worker } => self.read(&mut next, worker),
            Move::ReadFails { worker } => self.give_up(&mut next, worker, End::Unfinished),
            Move::GoOn { worker } => self.hear(&mut next, worker),
            Move::Wake { worker } => self.wake(&mut next, worker),
            Move::Send { worker } => self.send(&mut next, worker),
            Move::LoseSight { worker } => self.lose_sight(&mut next, worker),
            Move::Crash { worker, late } => {
                if late {
                    self.leave_late(&mut next, worker);
                }
                next.crashes -= 1;
                next.workers[worker].place = Place::Crashed;
            }
            Move::LateArrives => self.late_arrives(&mut next),
            Move::LateVanishes => next.late = None,
            Move::Tick => next.now += self.timing.tick,
            Move::Arrive { .. } | Move::ArriveUnheard { .. } | Move::Vanish { .. } | Move::Reject { .. } => {
                self.resolve(&mut next, made);
            }
            Move::Admit { .. } | Move::Close => self.conduct(&mut next, made),
        }
        Some(next)
    }

    fn read(&self, world: &mut World, worker: usize) {
        match world.workers[worker].place {
            Place::Gating { change } => self.read_gate(world, worker, change),
            Place::Looking { settled } => self.serve_look(world, worker, settled),
            _ => {}
        }
    }

    fn hear(&self, world: &mut World, worker: usize) {
        match world.workers[worker].place {
            Place::Gated(permit) => self.go_on_behind_gate(world, worker, true, permit),
            Place::Looked { settled } => self.decide(world, worker, settled),
            _ => {}
        }
    }

    /// A change on its way comes to its end.
    fn resolve(&self, world: &mut World, made: Move) {
        let (Move::Arrive { request }
        | Move::ArriveUnheard { request }
        | Move::Vanish { request }
        | Move::Reject { request, .. }) = made
        else {
            return;
        };
        let sent = world.requests.remove(request);
        if matches!(made, Move::Arrive { .. } | Move::ArriveUnheard { .. }) {
            world.applied[sent.operation] += 1;
            if world.applied[sent.operation] > 1 {
                world.breached(Breach::AppliedTwice);
            }
        }
        let awaited = matches!(world.workers[sent.sender].place, Place::Awaiting);
        match made {
            Move::Arrive { .. } if awaited => self.hear_success(world, sent.sender),
            Move::Reject { again, .. } => self.hear_rejection(world, sent.sender, again),
            _ => {}
        }
    }

    /// A failover is admitted or closed, by the plan's own rules.
    fn conduct(&self, world: &mut World, made: Move) {
        let next = if let Move::Admit { failover } = made {
            self.admit(world, failover)
        } else {
            let newest = newest_operation(world);
            let outcome = if is_completed(world, newest) { Outcome::Succeeded } else { Outcome::Failed };
            let now = Timestamp::from_millis(world.now);
            world.plan.close(&plan_name(), world.plan.generation, outcome, &direction(), now).ok()
        };
        if let Some(next) = next {
            if next.generation < world.plan.generation {
                world.breached(Breach::GenerationWentBack);
            }
            world.plan = Arc::new(next);
        }
    }
}

/// The operation of the newest failover.
fn newest_operation(world: &World) -> usize {
    usize::try_from(world.plan.generation).expect("few") - 1
}

/// Whether a worker's change is on its way.
fn under_way(world: &World, worker: usize) -> bool {
    world.requests.iter().any(|request| request.sender == worker)
}

/// Whether a worker waits for what becomes of its change.
fn is_awaited(world: &World, worker: usize) -> bool {
    matches!(world.workers[worker].place, Place::Awaiting)
}

impl Model for Orchestrator {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        vec![self.world()]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        self.visited.fetch_add(1, Ordering::Relaxed);
        if world.breach.is_some() {
            return;
        }
        moves.extend(self.regular_moves(world));
        if world.mishaps > 0 {
            moves.extend(Self::mishaps_in(world));
        }
        if world.crashes > 0 {
            moves.extend(Self::crashes_in(world));
        }
    }

    fn next_state(&self, world: &World, made: Move) -> Option<World> {
        self.after(world, made)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::of(self)
    }
}
