//! The record sets of a hosted zone, as `ListResourceRecordSets` of the API `route53/2013-04-01` answers them.

use form_urlencoded::Serializer;
use roxmltree::{Document, Node};

use super::control_plane;
use crate::aws::{Aws, xml_text};
use crate::error::{Error, Result};

/// A zone of a drill has far fewer than so many pages of record sets or of health checks, 100 on each.
pub(super) const MOST_PAGES: usize = 100;
/// How many aliases of aliases are followed; more of them are taken for a circle.
pub(crate) const MOST_ALIASES: usize = 8;

/// A record set: one answer for a name and type, or one of several under a routing policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// In lower case, without the dot at the end.
    pub name: String,
    /// `Type`, e.g. `CNAME`.
    pub record_type: String,
    /// `SetIdentifier`, which tells it from the others of its name and type.
    pub set_identifier: Option<String>,
    /// Its routing policy, and its place in it.
    pub routing: Routing,
    /// `TTL` in seconds; an alias has none of its own.
    pub ttl_seconds: Option<u32>,
    /// `HealthCheckId`.
    pub health_check_id: Option<String>,
    /// What it answers with.
    pub data: Data,
}

/// A record set's routing policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// The only one of its name and type.
    Simple,
    /// The failover pair's first choice.
    Primary,
    /// The failover pair's second choice.
    Secondary,
    /// By weight.
    Weighted(u8),
    /// By latency, by place and so on.
    Other,
}

/// What a record set answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// These values.
    Values(Vec<String>),
    /// What another name is answered with.
    Alias {
        /// The hosted zone of that name.
        zone_id: String,
        /// That name.
        dns_name: String,
        /// `EvaluateTargetHealth`: whether the record set is as healthy as what it points to.
        evaluate_target_health: bool,
    },
}

/// One answer of `ListResourceRecordSets`.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) sets: Vec<RecordSet>,
    /// The query string of the next page.
    pub(crate) next: Option<String>,
}

/// All record sets of the zone.
///
/// # Errors
/// [`Error::Aws`] when the call fails, [`Error::Unexpected`] when the answer cannot be read.
pub async fn read(aws: &Aws, zone_id: &str) -> Result<Vec<RecordSet>> {
    let mut sets = Vec::new();
    let mut query = String::new();
    for _ in 0..MOST_PAGES {
        let page = page(&control_plane::get(aws, &format!("hostedzone/{zone_id}/rrset?{query}")).await?)?;
        sets.extend(page.sets);
        match page.next {
            Some(next) => query = next,
            None => return Ok(sets),
        }
    }
    Err(Error::Unexpected(format!("the hosted zone {zone_id} has more than {MOST_PAGES} pages of record sets")))
}

/// Reads one answer.
pub(crate) fn page(xml: &str) -> Result<Page> {
    let document = document(xml)?;
    let sets: Option<Vec<RecordSet>> =
        document.descendants().filter(|node| is(node, "ResourceRecordSet")).map(record_set).collect();
    let sets = sets.ok_or_else(|| Error::Unexpected(format!("the answer has half a record set: {xml}")))?;
    let truncated = xml_text(xml, &["IsTruncated"]).as_deref() == Some("true");
    let next = truncated.then(|| {
        let start = [("NextRecordName", "name"), ("NextRecordType", "type"), ("NextRecordIdentifier", "identifier")];
        let start = start.iter().filter_map(|(element, parameter)| Some((parameter, xml_text(xml, &[element])?)));
        Serializer::new(String::new()).extend_pairs(start).finish()
    });
    Ok(Page { sets, next })
}

/// None when it lacks what every record set has, or has a number or a boolean that is none.
fn record_set(node: Node<'_, '_>) -> Option<RecordSet> {
    let text = |name: &str| texts(node, name).next();
    let routing = match text("Failover") {
        Some("PRIMARY") => Routing::Primary,
        Some("SECONDARY") => Routing::Secondary,
        Some(_other) => Routing::Other,
        None if text("Weight").is_some() => Routing::Weighted(text("Weight")?.parse().ok()?),
        None if text("SetIdentifier").is_some() => Routing::Other,
        None => Routing::Simple,
    };
    let data = match text("DNSName") {
        Some(dns_name) => Data::Alias {
            zone_id: text("HostedZoneId").unwrap_or_default().to_owned(),
            dns_name: dns_name.to_owned(),
            evaluate_target_health: text("EvaluateTargetHealth")?.parse().ok()?,
        },
        None => Data::Values(texts(node, "Value").map(str::to_owned).collect()),
    };
    let ttl_seconds = match text("TTL") {
        Some(ttl) => Some(ttl.parse().ok()?),
        None => None,
    };
    Some(RecordSet {
        name: normal(text("Name")?),
        record_type: text("Type")?.to_owned(),
        set_identifier: text("SetIdentifier").map(str::to_owned),
        routing,
        ttl_seconds,
        health_check_id: text("HealthCheckId").map(str::to_owned),
        data,
    })
}

/// A name exists, too, when there are records only below it (RFC 8020, section 2).
pub(crate) fn exists(sets: &[RecordSet], name: &str) -> bool {
    sets.iter().any(|set| {
        set.name
            .strip_suffix(name)
            .is_some_and(|labels_before| labels_before.is_empty() || labels_before.ends_with('.'))
    })
}

pub(super) fn document(xml: &str) -> Result<Document<'_>> {
    Document::parse(xml).map_err(|error| Error::Unexpected(format!("the emulator's answer is not XML: {error}")))
}

/// Neither a record set nor a health check has two kinds of elements of one name, however deep.
pub(super) fn texts<'a>(node: Node<'a, '_>, name: &str) -> impl Iterator<Item = &'a str> {
    node.descendants().filter(move |node| is(node, name)).map(|node| node.text().unwrap_or_default())
}

pub(super) fn is(node: &Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// A name as it is compared: in lower case, without the dot at the end.
#[must_use]
pub fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(sets: &str, rest: &str) -> String {
        format!(
            "<ListResourceRecordSetsResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
             <ResourceRecordSets>{sets}</ResourceRecordSets>{rest}</ListResourceRecordSetsResponse>"
        )
    }

    const LAST: &str = "<IsTruncated>false</IsTruncated>";
    const SIMPLE: &str = "<ResourceRecordSet><Name>a.example.com.</Name><Type>A</Type><TTL>60</TTL><ResourceRecords>\
                          <ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>";

    #[test]
    fn a_record_set_keeps_everything_that_its_answer_depends_on() {
        let failover = "<ResourceRecordSet><Name>App.example.com.</Name><Type>CNAME</Type><SetIdentifier>primary\
                        </SetIdentifier><Failover>PRIMARY</Failover><TTL>60</TTL><ResourceRecords><ResourceRecord>\
                        <Value>api.example.net</Value></ResourceRecord></ResourceRecords><HealthCheckId>h-1\
                        </HealthCheckId></ResourceRecordSet>";
        assert_eq!(
            page(&list(failover, LAST)).unwrap().sets,
            [RecordSet {
                name: "app.example.com".to_owned(),
                record_type: "CNAME".to_owned(),
                set_identifier: Some("primary".to_owned()),
                routing: Routing::Primary,
                ttl_seconds: Some(60),
                health_check_id: Some("h-1".to_owned()),
                data: Data::Values(vec!["api.example.net".to_owned()]),
            }]
        );
    }

    #[test]
    fn an_alias_has_no_ttl_and_says_whether_its_targets_health_counts() {
        for (written, expected) in [("true", true), ("false", false)] {
            let alias = format!(
                "<ResourceRecordSet><Name>app.example.com.</Name><Type>A</Type><AliasTarget><HostedZoneId>Z2\
                 </HostedZoneId><DNSName>lb.example.net</DNSName><EvaluateTargetHealth>{written}</EvaluateTargetHealth>\
                 </AliasTarget></ResourceRecordSet>"
            );
            let set = page(&list(&alias, LAST)).unwrap().sets.remove(0);
            assert_eq!((set.ttl_seconds, set.routing, set.health_check_id), (None, Routing::Simple, None));
            let (zone_id, dns_name) = ("Z2".to_owned(), "lb.example.net".to_owned());
            assert_eq!(set.data, Data::Alias { zone_id, dns_name, evaluate_target_health: expected }, "{written}");
        }
    }

    #[test]
    fn a_truncated_list_says_where_it_goes_on() {
        let next = "<IsTruncated>true</IsTruncated><NextRecordName>app.example.com.</NextRecordName>\
                    <NextRecordType>A</NextRecordType><NextRecordIdentifier>ireland &amp; co</NextRecordIdentifier>";
        let page = page(&list(SIMPLE, next)).unwrap();
        assert_eq!(page.sets.len(), 1);
        assert_eq!(page.next.as_deref(), Some("name=app.example.com.&type=A&identifier=ireland+%26+co"));
    }

    #[test]
    fn half_a_record_set_is_an_error_and_not_left_out() {
        for half in [SIMPLE.replace("<Type>A</Type>", ""), SIMPLE.replace("60", "sixty")] {
            assert!(matches!(page(&list(&half, LAST)), Err(Error::Unexpected(_))), "{half}");
        }
        assert!(matches!(page("nonsense"), Err(Error::Unexpected(_))));
    }
}
