//! A Region goes away, and with it whatever of the orchestrator runs there; perhaps it comes back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::spawn_local;
use tokio::time::Sleep;

use crate::chance::Chance;
use crate::sandbox::Killed;
use crate::world::{Shared, ms};

/// How often what stands still looks whether its Region is back, in milliseconds.
const LOOKS_EVERY_MS: u64 = 250;
/// How long a Region is away that comes back, in milliseconds.
const AWAY_MS: (u64, u64) = (20_000, 160_000);
/// In how many of a thousand cases a lost Region comes back.
const COMES_BACK_PERMILLE: u64 = 700;

/// How a Region goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing there answers or works any more, and every sandbox there is dead. What Step Functions has written down of
    /// its executions stays: they go on where they were.
    Dead,
    /// Nothing there answers or works any more. When it is back, everything goes on where it was, as if no time had passed.
    Frozen,
    /// Everything there goes on, and nothing gets in or out.
    CutOff,
}

/// One Region's outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The Region.
    pub region: &'static str,
    /// How.
    pub kind: Kind,
    /// When, in milliseconds since the run's beginning.
    pub at_ms: u64,
    /// After how long it is back, in milliseconds; none if it stays away for the whole run.
    pub away_ms: Option<u64>,
}

impl Outage {
    /// Draws an outage of a Region. One that is only cut off comes back in any case, others if `comes_back`, or by chance.
    #[must_use]
    pub fn draw(region: &'static str, at_ms: u64, comes_back: bool, chance: &mut Chance) -> Self {
        let kind = *chance.one_of(&[Kind::Dead, Kind::Frozen, Kind::CutOff]);
        let away_ms = chance.between(AWAY_MS.0, AWAY_MS.1);
        let comes_back = chance.permille(COMES_BACK_PERMILLE) || comes_back || kind == Kind::CutOff;
        Self { region, kind, at_ms, away_ms: comes_back.then_some(away_ms) }
    }

    /// Lets it happen.
    pub fn begin(self, world: &Shared) {
        let world = world.clone();
        spawn_local(async move {
            tokio::time::sleep(ms(self.at_ms)).await;
            world.lock().set_away(self.region, Some(self.kind));
            if let Some(away) = self.away_ms {
                tokio::time::sleep(ms(away)).await;
                world.lock().set_away(self.region, None);
            }
        });
    }
}

/// Runs a future in a Region: while the Region is lost it stands still.
pub fn within<F: Future>(region: &'static str, world: Shared, inner: F) -> Within<F> {
    Within { inner: Some(Box::pin(inner)), world, region, dies_after: None, pause: None }
}

/// The same for what dies with the Region.
pub fn dying_with<F: Future>(region: &'static str, world: Shared, inner: F) -> Within<F> {
    let deaths = world.lock().deaths_in(region);
    Within { dies_after: Some(deaths), ..within(region, world, inner) }
}

/// See [`within`].
pub struct Within<F> {
    inner: Option<Pin<Box<F>>>,
    world: Shared,
    region: &'static str,
    /// How many deaths the Region had seen before; none for what cannot die.
    dies_after: Option<u64>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Future for Within<F> {
    type Output = Result<F::Output, Killed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(context));
                this.pause = None;
            }
            let (is_lost, deaths) = {
                let world = this.world.lock();
                (world.aws.lost.contains(this.region), world.deaths_in(this.region))
            };
            if this.dies_after.is_some_and(|before| before < deaths) {
                this.inner = None;
            }
            match &mut this.inner {
                None => return Poll::Ready(Err(Killed)),
                Some(_) if is_lost => this.pause = Some(Box::pin(tokio::time::sleep(ms(LOOKS_EVERY_MS)))),
                Some(inner) => return inner.as_mut().poll(context).map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::workload::{HOME, STANDBY};
    use crate::world::World;

    fn world() -> Shared {
        Shared::new(World::new(1, Vec::new(), None))
    }

    async fn three_seconds() -> u64 {
        let began = tokio::time::Instant::now();
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        began.elapsed().as_secs()
    }

    /// Runs it while a Region is away from the first second to the tenth.
    async fn run(kind: Kind, dies: bool) -> Result<u64, Killed> {
        let world = world();
        let outage = Outage { region: HOME, kind, at_ms: 1_500, away_ms: Some(8_500) };
        let work = if dies {
            dying_with(HOME, world.clone(), three_seconds())
        } else {
            within(HOME, world.clone(), three_seconds())
        };
        tokio::task::LocalSet::new()
            .run_until(async {
                outage.begin(&world);
                work.await
            })
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_a_lost_region_stands_still_or_dies_and_in_one_that_is_cut_off_goes_on() {
        assert_eq!(run(Kind::Frozen, true).await, Ok(11), "the second second ended while it stood still");
        assert_eq!(run(Kind::Dead, false).await, Ok(11));
        assert_eq!(run(Kind::Dead, true).await, Err(Killed));
        assert_eq!(run(Kind::CutOff, true).await, Ok(3));
    }

    #[tokio::test(start_paused = true)]
    async fn one_region_is_away_from_the_others_only() {
        let world = world();
        world.lock().set_away(HOME, Some(Kind::CutOff));
        let reaches = |from, to| world.lock().reaches(from, to);
        assert!(!reaches(HOME, STANDBY) && !reaches(STANDBY, HOME) && !reaches(HOME, "us-east-1"));
        assert!(reaches(HOME, HOME) && reaches(STANDBY, "us-east-1"));
        world.lock().set_away(HOME, Some(Kind::Frozen));
        assert!(!reaches(HOME, HOME) && !reaches(STANDBY, HOME) && reaches(STANDBY, STANDBY));
        world.lock().set_away(HOME, None);
        assert!(reaches(HOME, STANDBY) && reaches(STANDBY, HOME));
    }
}
