//! To which endpoint group Global Accelerator sends its clients: decisions only.

use std::time::Duration;

/// A group's three health checks, ten seconds apart, as the workload's template has them.
const NOTICED_AFTER: Duration = Duration::from_secs(30);

/// An endpoint group, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dialled {
    /// The name of its door.
    pub(super) name: String,
    /// Its traffic dial, in percent.
    pub(super) dial: f64,
    /// For how long its endpoints have been gone; none while they are there.
    pub(super) lost_for: Option<Duration>,
}

/// The group that gets the traffic: the healthy one with the largest dial, of several the first. When no healthy group
/// has a dial above zero, a healthy one with zero.
///
/// Global Accelerator takes an endpoint for healthy until its checks have failed, and goes to other groups, whatever
/// their dials say, when a group has no healthy endpoint.
/// Source: <https://docs.aws.amazon.com/global-accelerator/latest/dg/about-endpoints-endpoint-weights.unhealthy-endpoints.html>
pub(super) fn choose(groups: &[Dialled]) -> Option<&str> {
    let healthy = groups.iter().filter(|group| group.lost_for.is_none_or(|lost_for| lost_for < NOTICED_AFTER));
    let best = healthy.fold(None, |best: Option<&Dialled>, group| match best {
        Some(best) if best.dial >= group.dial => Some(best),
        Some(_) | None => Some(group),
    });
    best.or(groups.first()).map(|group| group.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, dial: f64, lost_for: Option<u64>) -> Dialled {
        Dialled { name: name.to_owned(), dial, lost_for: lost_for.map(Duration::from_secs) }
    }

    #[test]
    fn the_group_with_the_larger_dial_gets_the_traffic_and_of_equals_the_first() {
        assert_eq!(choose(&[group("a", 100.0, None), group("b", 0.0, None)]), Some("a"));
        assert_eq!(choose(&[group("a", 0.0, None), group("b", 100.0, None)]), Some("b"));
        assert_eq!(choose(&[group("a", 100.0, None), group("b", 100.0, None)]), Some("a"));
    }

    #[test]
    fn a_group_that_is_gone_is_left_once_its_checks_have_failed_whatever_the_dials_say() {
        assert_eq!(choose(&[group("a", 100.0, Some(29)), group("b", 0.0, None)]), Some("a"));
        assert_eq!(choose(&[group("a", 100.0, Some(30)), group("b", 0.0, None)]), Some("b"));
    }

    #[test]
    fn when_everything_is_gone_the_first_group_gets_the_traffic() {
        assert_eq!(choose(&[group("a", 0.0, Some(99)), group("b", 100.0, Some(99))]), Some("a"));
        assert_eq!(choose(&[]), None);
    }
}
