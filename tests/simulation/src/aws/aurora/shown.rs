//! What Describe answers: the state of a moment ago.

use std::collections::VecDeque;

use failover::contract::Timestamp;

/// The part of an answer that changes, as it is shown now and as it will be shown.
#[derive(Debug)]
pub(super) struct Shown {
    now: String,
    coming: VecDeque<(Timestamp, String)>,
}

impl Shown {
    pub(super) const fn new(text: String) -> Self {
        Self { now: text, coming: VecDeque::new() }
    }

    /// From `from` on it is this, but never before a change that came earlier.
    pub(super) fn change(&mut self, text: String, from: Timestamp) {
        let (newest, at) = self.coming.back().map_or((&self.now, from), |(at, text)| (text, *at));
        if *newest != text {
            self.coming.push_back((from.max(at), text));
        }
    }

    pub(super) fn at(&mut self, now: Timestamp) -> &str {
        while self.coming.front().is_some_and(|(from, _)| *from <= now) {
            if let Some((_, text)) = self.coming.pop_front() {
                self.now = text;
            }
        }
        &self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_change_shows_from_its_moment_on_and_changes_keep_their_order() {
        let mut shown = Shown::new("old".to_owned());
        shown.change("new".to_owned(), at(30));
        shown.change("newest".to_owned(), at(20));
        assert_eq!(shown.at(at(29)), "old");
        assert_eq!(shown.at(at(30)), "newest", "never before the one that came earlier");
    }

    #[test]
    fn what_does_not_differ_is_no_change() {
        let mut shown = Shown::new("old".to_owned());
        shown.change("old".to_owned(), at(5));
        assert!(shown.coming.is_empty());
    }
}
