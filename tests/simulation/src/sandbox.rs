//! Where an invocation runs: a future that can be killed and stopped for a while, at any of its awaits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

/// What befalls an invocation, by the number of the poll, from 1. None: nothing.
#[derive(Clone, Debug, Default)]
pub struct Plight {
    /// It is killed in place of this poll.
    pub killed_at: Option<u64>,
    /// It dies of a panic then, which its runtime answers for.
    pub panics: bool,
    /// Before this poll it stands still for so long.
    pub paused_at: Option<(u64, Duration)>,
    /// Before this poll it says that it is there, and stands still until it is let go.
    pub held_at: Option<(u64, Arc<Gate>)>,
}

/// Where an invocation is held.
#[derive(Debug, Default)]
pub struct Gate {
    reached: Notify,
    open: Notify,
}

impl Gate {
    /// Waits until the invocation is there.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it go.
    pub fn open(&self) {
        self.open.notify_one();
    }

    async fn passed(self: Arc<Self>) {
        self.reached.notify_one();
        self.open.notified().await;
    }
}

/// The invocation was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killed;

/// Runs a future in a sandbox.
pub fn run<F: Future>(inner: F, plight: Plight) -> Sandbox<F> {
    Sandbox { inner: Some(Box::pin(inner)), plight, polls: 0, pause: None }
}

/// See [`run`].
pub struct Sandbox<F> {
    inner: Option<Pin<Box<F>>>,
    plight: Plight,
    polls: u64,
    pause: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl<F: Future> Future for Sandbox<F> {
    type Output = Result<F::Output, Killed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.pause.is_none() {
            this.polls += 1;
            if let Some((poll, length)) = this.plight.paused_at
                && poll == this.polls
            {
                this.pause = Some(Box::pin(sleep(length)));
            }
            if let Some((_, gate)) = this.plight.held_at.take_if(|(poll, _)| *poll == this.polls) {
                this.pause = Some(Box::pin(gate.passed()));
            }
        }
        if let Some(pause) = &mut this.pause {
            if pause.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            this.pause = None;
        }
        if this.plight.killed_at.is_some_and(|poll| poll <= this.polls) {
            // Dropped, not unwound: no destructor of the real process would run, and none here has an effect.
            this.inner = None;
        }
        match &mut this.inner {
            Some(inner) => inner.as_mut().poll(context).map(Ok),
            None => Poll::Ready(Err(Killed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn three_awaits() -> u32 {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        7
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_plight_nothing_happens() {
        assert_eq!(run(three_awaits(), Plight::default()).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_killed_at_each_of_its_awaits() {
        for poll in 1..=4 {
            let plight = Plight { killed_at: Some(poll), ..Plight::default() };
            assert_eq!(run(three_awaits(), plight).await, Err(Killed), "poll {poll}");
        }
        assert_eq!(run(three_awaits(), Plight { killed_at: Some(5), ..Plight::default() }).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn time_passes_while_it_stands_still() {
        let began = tokio::time::Instant::now();
        let plight = Plight { paused_at: Some((2, Duration::from_secs(9))), ..Plight::default() };
        assert_eq!(run(three_awaits(), plight).await, Ok(7));
        assert_eq!(began.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_held_until_it_is_let_go() {
        let gate = Arc::new(Gate::default());
        let began = tokio::time::Instant::now();
        let held = run(three_awaits(), Plight { held_at: Some((3, Arc::clone(&gate))), ..Plight::default() });
        let keeper = async {
            gate.reached().await;
            sleep(Duration::from_secs(5)).await;
            gate.open();
        };
        assert_eq!(tokio::join!(held, keeper).0, Ok(7));
        assert_eq!(began.elapsed().as_secs(), 5);
    }
}
