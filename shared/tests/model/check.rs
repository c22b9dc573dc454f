//! Runs the checker, says what it found, and how every promise that was broken came to be.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use super::moves::{BEGINNING, Move};
use super::promises::broken_by;
use super::setup::Orchestrator;
use super::world::{Breach, Place, Purpose, World};

/// Asserts that every promise is kept in every state that can be reached, and that what has to be possible is.
pub(crate) fn keeps_every_promise(model: Orchestrator) {
    let checker = model.checker().spawn_bfs().join();
    let (model, states) = (checker.model(), checker.unique_state_count());
    // The checker asks for the moves of each state that it looks at, once; the paths below are asked for anew.
    let looked_at = model.visited.load(Ordering::Relaxed);
    assert!(checker.is_done() && looked_at == states, "{looked_at} of {states} states were looked at");
    println!("{states} states, {} moves, paths of up to {}", checker.state_count(), checker.max_depth() - 1);
    let mut found = checker.discoveries();
    for promise in model.properties() {
        let path = found.remove(promise.name);
        match promise.expectation {
            Expectation::Always => {
                assert!(path.is_none(), "broken: {}\n{}", promise.name, path.map(in_words).unwrap_or_default());
            }
            Expectation::Sometimes | Expectation::Eventually => {
                assert!(path.is_some(), "never seen: {}", promise.name);
                println!("seen after {} moves: {}", path.map_or(0, length), promise.name);
            }
        }
    }
}

/// Asserts that a model breaks a promise, and prints a short way there: the search goes breadth first, in blocks of states.
pub(crate) fn breaks(model: Orchestrator, breach: Breach) {
    let promise = broken_by(breach);
    let checker = model.watching(breach).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!("{:?}: {} states", checker.model().flaws, checker.unique_state_count());
    let path = checker.discovery(promise).unwrap_or_else(|| panic!("no way was found to break: {promise}"));
    let moves = length(path.clone());
    println!("broken after {moves} moves: {promise}\n{}", in_words(path));
    assert!(moves > 0, "it takes more than to begin");
}

fn length(path: Path<World, Move>) -> usize {
    path.into_vec().len() - 1
}

fn in_words(path: Path<World, Move>) -> String {
    let mut text = String::new();
    for (number, (world, made)) in path.into_vec().into_iter().enumerate() {
        let Some(made) = made else { continue };
        let seconds = (world.now - BEGINNING) / 1_000;
        writeln!(text, "  {:>2}. {seconds:>3} s  {}", number + 1, describe(&world, made)).expect("a text takes it");
    }
    text
}

/// A move in words. Workers, operations and failovers are counted from 1.
fn describe(world: &World, made: Move) -> String {
    let name = |worker: usize| format!("worker {}", worker + 1);
    let sender = |request: usize| name(world.requests[request].sender);
    let write = |worker: usize| format!("{}'s {}", name(worker), written_by(world, worker));
    match made {
        Move::Start { worker, operation, skew } => {
            format!("{} is invoked for operation {}; its clock is {skew} ms ahead", name(worker), operation + 1)
        }
        Move::Deliver { worker } => format!("{} reaches the ledger and is answered", write(worker)),
        Move::DeliverUnheard { worker } => {
            format!("{} reaches the ledger, its answer is lost, and it is sent again", write(worker))
        }
        Move::DeliverTwice { worker } => format!("{} is answered, and a copy stays on its way", write(worker)),
        Move::TimeOut { worker, late } => {
            format!("{} is given up{}", write(worker), if late { ", still on its way" } else { "" })
        }
        Move::Crash { worker, late } => {
            format!("{} dies{}", name(worker), if late { ", its write still on its way" } else { "" })
        }
        Move::Read { worker } => format!("{}'s {} is answered", name(worker), written_by(world, worker)),
        Move::ReadFails { worker } => format!("{}'s {} fails", name(worker), written_by(world, worker)),
        Move::GoOn { worker } => format!("{} hears {}", name(worker), written_by(world, worker)),
        Move::Wake { worker } => format!("{} wakes and looks", name(worker)),
        Move::Send { worker } => format!("{} sends its change, or takes it back if it is late", name(worker)),
        Move::Arrive { request } => format!("{}'s change is made", sender(request)),
        Move::ArriveUnheard { request } => format!("{}'s change is made, and the answer lost", sender(request)),
        Move::Vanish { request } => format!("{}'s change is lost", sender(request)),
        Move::Reject { request, again } => {
            format!("{}'s change is refused{}", sender(request), if again { ", to be sent again" } else { "" })
        }
        Move::LoseSight { worker } => format!("{} does not know what became of its change", name(worker)),
        Move::LateArrives => "the write that was given up reaches the ledger".to_owned(),
        Move::LateVanishes => "the write that was given up is lost".to_owned(),
        Move::Admit { failover } => format!("failover {} is admitted", failover + 1),
        Move::Close => "the newest failover is closed".to_owned(),
        Move::Tick => "time passes".to_owned(),
    }
}

/// What a worker waits for.
fn written_by(world: &World, worker: usize) -> &'static str {
    match &world.workers[worker].place {
        Place::Writing(write) => match write.purpose {
            Purpose::Claim => "claim",
            Purpose::Intent => "intent",
            Purpose::Receipt => "receipt",
            Purpose::Lost => "loss of the outcome",
            Purpose::Retract => "retraction",
            Purpose::Release => "release",
            Purpose::Complete => "completion",
            Purpose::Fail => "failure",
        },
        Place::Gating { .. } => "gate",
        Place::Gated(_) => "what the gate said",
        Place::Looking { .. } => "look",
        Place::Looked { .. } => "that the change does not show",
        Place::Idle | Place::Sleeping { .. } | Place::Sending | Place::Awaiting | Place::Ended(_) | Place::Crashed => {
            "change"
        }
    }
}
