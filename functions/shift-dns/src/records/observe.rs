//! Looks at a hosted zone: how far our change has come, the records, and what Route 53 answers for them.

use std::collections::BTreeMap;

use aws_sdk_route53::Client;
use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsOutput;
use aws_sdk_route53::types::{ChangeStatus, ResourceRecordSet};
use failover::aws_call::{CallError, Calls};
use failover::contract::{Timestamp, normal_dns_name};
use failover::error::Error;
use failover::step::{LastChange, Plan};

use super::plan::{self, Action, Answer, Change, Observation, Progress};
use super::request::{RecordShift, WantedRecord};
use super::sdk::{found, rr_type};
use super::sets::Record;

/// How many record sets are asked for at once; Route 53 gives up to 300.
const PAGE_SIZE: i32 = 100;
/// How many pages one name and type may fill. Route 53 allows 100 record sets of one name and type, in every policy that
/// has more than two.
/// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>
const MOST_PAGES: usize = 4;
/// For how many records the answer is asked. It is for information, and every question takes its time.
const MOST_ANSWERS: usize = 10;

/// The two ways of reading.
#[derive(Debug)]
pub(super) struct Observer<'a> {
    /// Retries.
    pub(super) reading: &'a Client,
    /// Does not, for what is dispensable.
    pub(super) once: &'a Client,
    pub(super) calls: &'a Calls,
    pub(super) now: Timestamp,
}

/// A name and a type, both as text.
type Key = (String, String);

impl Observer<'_> {
    /// Looks at everything the plan needs.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for a hosted zone that does not exist, and errors of the calls.
    pub(super) async fn observe(
        &self,
        request: &RecordShift,
        last: Option<&LastChange<Action>>,
    ) -> Result<Observation, Error> {
        let change = match last {
            Some(last) => Some(self.change(last).await?),
            None => None,
        };
        if change.as_ref().is_some_and(|change| change.progress == Progress::Pending) {
            // The records show a change at once, so until it is through they say nothing new.
            return Ok(Observation { change, ..Observation::default() });
        }
        let records = self.records(request).await?;
        let warnings = plan::warnings(request, &records);
        let mut seen = Observation { change, records: Some(records), answers: Vec::new(), warnings };
        if let Plan::AlreadyDone { .. } = plan::plan(request, &seen, self.now) {
            self.ask(request, &mut seen).await;
        }
        Ok(seen)
    }

    async fn change(&self, last: &LastChange<Action>) -> Result<Change, Error> {
        let progress = match &last.receipt {
            Some(id) => self.progress(id).await?,
            None => Progress::Unknown,
        };
        Ok(Change { at: last.at, id: last.receipt.clone(), progress })
    }

    async fn progress(&self, id: &str) -> Result<Progress, Error> {
        let request = self.reading.get_change().id(id).send();
        match self.calls.call("route53", "GetChange", request).await {
            Ok(answer) => {
                let in_sync = answer.change_info.is_some_and(|info| info.status == ChangeStatus::Insync);
                Ok(if in_sync { Progress::InSync } else { Progress::Pending })
            }
            Err(error) if error.code == "NoSuchChange" => Ok(Progress::Unknown),
            Err(error) => Err(Error::from_read(format!("asking after change {id}"), error)),
        }
    }

    /// The record sets of each wanted record. Includes changes that are still pending.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html>
    pub(super) async fn records(&self, request: &RecordShift) -> Result<Vec<Record>, Error> {
        let mut listed: BTreeMap<Key, Vec<ResourceRecordSet>> = BTreeMap::new();
        let mut records = Vec::new();
        for (index, wanted) in request.records.iter().enumerate() {
            let key = (wanted.name.clone(), wanted.record_type.as_str().to_owned());
            if !listed.contains_key(&key) {
                let complete = self.list(request, index, wanted, &key).await?;
                listed.extend(complete);
            }
            let found = listed.get(&key).map_or_else(Vec::new, |sets| {
                sets.iter().map(|set| found(set, wanted.record_type, request.policy)).collect()
            });
            records.push(Record { name: wanted.name.clone(), record_type: wanted.record_type, found });
        }
        Ok(records)
    }

    /// Lists from a record on, until it is passed. What follows it comes along, as far as it is complete.
    async fn list(
        &self,
        request: &RecordShift,
        index: usize,
        wanted: &WantedRecord,
        key: &Key,
    ) -> Result<BTreeMap<Key, Vec<ResourceRecordSet>>, Error> {
        let mut from = self
            .reading
            .list_resource_record_sets()
            .hosted_zone_id(&request.hosted_zone_id)
            .start_record_name(&wanted.name)
            .start_record_type(rr_type(wanted.record_type));
        let mut sets: Vec<ResourceRecordSet> = Vec::new();
        for _ in 0..MOST_PAGES {
            let page = from.clone().max_items(PAGE_SIZE).send();
            let page: ListResourceRecordSetsOutput = self
                .calls
                .call("route53", "ListResourceRecordSets", page)
                .await
                .map_err(|error| unlistable(request, index, wanted, error))?;
            sets.extend(page.resource_record_sets);
            let passed = sets.last().is_some_and(|last| key_of(last).as_ref() != Some(key));
            if passed || !page.is_truncated {
                return Ok(complete(sets, page.is_truncated, key));
            }
            from = from
                .set_start_record_name(page.next_record_name)
                .set_start_record_type(page.next_record_type)
                .set_start_record_identifier(page.next_record_identifier);
        }
        Err(Error::Refused {
            reason: format!(
                "{}: {} has more record sets than Route 53 allows",
                request.record_field(index),
                wanted.title()
            ),
            cure: "look at the record in Route 53".to_owned(),
        })
    }

    /// Asks Route 53 what it answers. For information only: the answer follows the records' settings, but not for sure
    /// their health, and there is none for private zones.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-test.html>
    async fn ask(&self, request: &RecordShift, seen: &mut Observation) {
        for record in request.records.iter().take(MOST_ANSWERS) {
            let question = self
                .once
                .test_dns_answer()
                .hosted_zone_id(&request.hosted_zone_id)
                .record_name(&record.name)
                .record_type(rr_type(record.record_type))
                .send();
            match self.calls.call("route53", "TestDNSAnswer", question).await {
                Ok(answer) => seen.answers.push(Answer {
                    name: record.name.clone(),
                    record_type: record.record_type,
                    response_code: answer.response_code,
                    values: answer.record_data,
                }),
                Err(error) => {
                    seen.warnings.push(format!("what Route 53 answers could not be asked: {error}"));
                    return;
                }
            }
        }
    }
}

fn unlistable(request: &RecordShift, index: usize, wanted: &WantedRecord, error: CallError) -> Error {
    match error.code.as_str() {
        "NoSuchHostedZone" => Error::invalid(
            format!("{}.hosted_zone_id", request.policy.field()),
            format!("there is no hosted zone {}: {}", request.hosted_zone_id, error.message),
        ),
        "InvalidInput" => Error::invalid(
            format!("{}.name", request.record_field(index)),
            format!("Route 53 does not take it: {}", error.message),
        ),
        _ => Error::from_read(format!("listing {}", wanted.title()), error),
    }
}

/// The record sets by name and type. When the list goes on, its last name and type may go on, too, and are left out.
/// The wanted one is there even if nothing was found.
fn complete(sets: Vec<ResourceRecordSet>, truncated: bool, wanted: &Key) -> BTreeMap<Key, Vec<ResourceRecordSet>> {
    let last = sets.last().and_then(key_of).filter(|_| truncated);
    let mut complete: BTreeMap<Key, Vec<ResourceRecordSet>> = BTreeMap::from([(wanted.clone(), Vec::new())]);
    for set in sets {
        if let Some(key) = key_of(&set)
            && last.as_ref() != Some(&key)
        {
            complete.entry(key).or_default().push(set);
        }
    }
    complete
}

/// None for a name that no request can have.
fn key_of(set: &ResourceRecordSet) -> Option<Key> {
    Some((normal_dns_name(&set.name).ok()?, set.r#type.as_str().to_owned()))
}
