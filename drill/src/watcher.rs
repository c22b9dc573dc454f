//! A client's view during a run: from which Region is a workload served? Asked of the emulator, past
//! the gateway, so that it is measured independently of what the product says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::aws::Aws;
use crate::gateway::Gateway;
use crate::lock::lock;
use crate::moment::Moment;
use crate::story::Note;
use crate::world::{Site, Workload, World};

/// The time between two looks; measured times are exact to about this.
pub const INTERVAL: Duration = Duration::from_millis(200);

/// Looks at the world again and again until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    looking: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    world: Arc<World>,
    workload: Workload,
    aws: Aws,
    gateway: Gateway,
    changes: Mutex<Vec<Change>>,
}

/// From now on, clients are served from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    at: Moment,
    served_from: Option<Site>,
}

impl Watcher {
    /// Begins to look.
    #[must_use]
    pub fn start(world: Arc<World>, workload: Workload, aws: Aws, gateway: Gateway) -> Self {
        let shared = Arc::new(Shared { world, workload, aws, gateway, changes: Mutex::new(Vec::new()) });
        let looker = Arc::clone(&shared);
        let looking = tokio::spawn(async move {
            loop {
                looker.look().await;
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Self { shared, looking: looking.abort_handle() }
    }

    /// Looks once more, now.
    pub async fn look(&self) {
        self.shared.look().await;
    }

    /// From where clients were served at the last look.
    #[must_use]
    pub fn served_from(&self) -> Option<Site> {
        self.shared.changes().last().and_then(|change| change.served_from)
    }

    /// When, after `since`, service from `target` began that lasted until now.
    #[must_use]
    pub fn served_from_since(&self, target: Site, since: Moment) -> Option<Moment> {
        served_from_since(&self.shared.changes(), target, since)
    }

    /// The changes after `since`, in words.
    #[must_use]
    pub fn notes(&self, since: Moment) -> Vec<Note> {
        let changes = self.shared.changes();
        let after = changes.iter().filter(|change| change.at > since);
        let clients = match self.shared.workload {
            Workload::Trading => "clients".to_owned(),
            other @ Workload::Settlement => format!("clients of {other}"),
        };
        let note = |change: &Change| Note {
            at: change.at,
            text: match change.served_from {
                Some(site) => format!("{clients} are served from {site}"),
                None => format!("{clients} are not served"),
            },
        };
        after.map(note).collect()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Shared {
    async fn look(&self) {
        let read = self.world.read(self.workload, &self.aws, &self.gateway).await;
        // A look that fails says nothing; the next one is near.
        let Ok(state) = read else { return };
        let change = Change { at: Moment::now(), served_from: self.world.serves_from(&state) };
        let mut changes = lock(&self.changes);
        if changes.last().is_none_or(|last| last.served_from != change.served_from) {
            changes.push(change);
        }
    }

    fn changes(&self) -> Vec<Change> {
        lock(&self.changes).clone()
    }
}

fn served_from_since(changes: &[Change], target: Site, since: Moment) -> Option<Moment> {
    let last = changes.last()?;
    (last.served_from == Some(target)).then(|| last.at.max(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at: i64, served_from: Option<Site>) -> Change {
        Change { at: Moment::from_millis(at), served_from }
    }

    #[test]
    fn service_counts_from_where_it_stayed() {
        let changes = [
            change(0, Some(Site::Primary)),
            change(10, None),
            change(20, Some(Site::Standby)),
            change(30, None),
            change(40, Some(Site::Standby)),
        ];
        let since = Moment::from_millis(5);
        assert_eq!(served_from_since(&changes, Site::Standby, since), Some(Moment::from_millis(40)));
        assert_eq!(served_from_since(&changes[..4], Site::Standby, since), None);
        assert_eq!(served_from_since(&changes, Site::Primary, since), None);
        assert_eq!(served_from_since(&[], Site::Standby, since), None);
    }
}
