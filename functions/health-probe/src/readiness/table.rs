//! The ledger's table: whether it works, and whether two Regions could both win in it (X5).

use aws_sdk_dynamodb::types::TableDescription;
use failover::aws_call::{CallError, Meaning};
use failover::contract::{Finding, Region};
use failover::runtime::Toolbox;

/// What is held up by a table that does not work.
const BLOCKS: &str = "every failover: none starts without the ledger";

/// The table as DynamoDB describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Table {
    status: String,
    /// Whether the replicas agree before a write counts.
    strong: bool,
    /// The other Regions' replicas, each with its status.
    replicas: Vec<(String, String)>,
}

/// The findings on the table in the orchestrator's own Region.
pub(super) async fn checks(tools: &Toolbox) -> Vec<Finding> {
    let (name, region) = (tools.config.ledger_table(), &tools.config.dr_region);
    let client = aws_sdk_dynamodb::Client::new(&tools.clients.reading(region));
    let request = client.describe_table().table_name(&name).send();
    let answer = tools.calls.call("dynamodb", "DescribeTable", request).await;
    let seen = answer.map(|answer| answer.table.map(|table| table_seen(&table, region)));
    let subject = format!("table {name}");
    vec![active(&subject, &seen), consistent(&subject, region, &seen)]
}

type Seen = Result<Option<Table>, CallError>;

fn table_seen(table: &TableDescription, here: &Region) -> Table {
    let replicas = table.replicas().iter().filter_map(|replica| {
        let region = replica.region_name().filter(|region| *region != here.as_str())?;
        let status = replica.replica_status().map_or("of unknown status", |status| status.as_str());
        Some((region.to_owned(), status.to_owned()))
    });
    Table {
        status: table.table_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        // A table without the field is of the kind there was before, which agrees later.
        strong: table.multi_region_consistency().is_some_and(|consistency| consistency.as_str() == "STRONG"),
        replicas: replicas.collect(),
    }
}

/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html>
fn active(subject: &str, seen: &Seen) -> Finding {
    let check = "ledger-table-works";
    let table = match seen {
        Ok(Some(table)) => table,
        Err(error) if error.meaning != Meaning::NotFound => return unreadable(check, subject, error),
        Ok(None) | Err(_) => {
            return Finding::blocker(check, subject, "there is no such table", BLOCKS, "deploy the stack again");
        }
    };
    match table.status.as_str() {
        "ACTIVE" => Finding::ok(check, subject, "is ACTIVE"),
        // Its settings are being changed; reads and writes go on.
        "UPDATING" => Finding::ok(check, subject, "is UPDATING, and works meanwhile"),
        other => Finding::blocker(
            check,
            subject,
            format!("is {other}"),
            BLOCKS,
            "bring the table back to ACTIVE; DynamoDB's console says what holds it",
        ),
    }
}

/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html>
fn consistent(subject: &str, here: &Region, seen: &Seen) -> Finding {
    let check = "ledger-is-consistent";
    let table = match seen {
        Ok(Some(table)) => table,
        Ok(None) => {
            return Finding::unknown(check, subject, "DynamoDB described no table", "look at the other finding");
        }
        Err(error) => return unreadable(check, subject, error),
    };
    let others = table.replicas.iter().map(|(region, _)| region.as_str()).collect::<Vec<_>>().join(", ");
    if table.strong {
        let lame = table.replicas.iter().find(|(_, status)| status != "ACTIVE");
        return match lame {
            Some((region, status)) => Finding::warning(
                check,
                subject,
                format!("its replica in {region} is {status}: with one more Region lost it takes no write"),
                "look at the replica in DynamoDB's console",
            ),
            None => Finding::ok(check, subject, format!("agrees with {others} before a write counts")),
        };
    }
    if table.replicas.is_empty() {
        let found =
            format!("stands in {here} alone: a failover needs that Region, and so does whoever asks the ledger");
        return Finding::ok(check, subject, found);
    }
    Finding::blocker(
        check,
        subject,
        format!("has replicas in {others} that agree only later: two Regions could both be told that they won"),
        "every failover: the ledger cannot keep two of them apart",
        "make a table with LedgerConsistency \"strong\", or remove the replicas",
    )
}

fn unreadable(check: &str, subject: &str, error: &CallError) -> Finding {
    let cure = "see that health-probe's role permits dynamodb:DescribeTable on the table, and check again";
    Finding::unknown(check, subject, error.to_string(), cure)
}

#[cfg(test)]
mod tests {
    use failover::contract::Severity;

    use super::*;

    fn table(status: &str, strong: bool, replicas: &[(&str, &str)]) -> Table {
        let replicas = replicas.iter().map(|(region, status)| ((*region).to_owned(), (*status).to_owned()));
        Table { status: status.to_owned(), strong, replicas: replicas.collect() }
    }

    fn failed(code: &str) -> Seen {
        Err(CallError::rejected("dynamodb", "DescribeTable", code, "no"))
    }

    #[test]
    fn a_table_works_while_it_is_active_or_updating_and_no_otherwise() {
        for (seen, severity) in [
            (Ok(Some(table("ACTIVE", false, &[]))), Severity::Ok),
            (Ok(Some(table("UPDATING", false, &[]))), Severity::Ok),
            (Ok(Some(table("DELETING", false, &[]))), Severity::Blocker),
            (Ok(Some(table("INACCESSIBLE_ENCRYPTION_CREDENTIALS", false, &[]))), Severity::Blocker),
            (Ok(None), Severity::Blocker),
            (failed("ResourceNotFoundException"), Severity::Blocker),
            (failed("AccessDeniedException"), Severity::Unknown),
            (failed("ThrottlingException"), Severity::Unknown),
        ] {
            assert_eq!(active("table x", &seen).severity, severity, "{seen:?}");
        }
    }

    #[test]
    fn replicas_have_to_agree_before_a_write_counts() {
        let here = Region::parse("eu-west-1").expect("a Region");
        let north = [("eu-north-1", "ACTIVE")];
        for (seen, severity, words) in [
            (Ok(Some(table("ACTIVE", false, &[]))), Severity::Ok, "stands in eu-west-1 alone"),
            (Ok(Some(table("ACTIVE", true, &north))), Severity::Ok, "agrees with eu-north-1"),
            (
                Ok(Some(table("ACTIVE", true, &[("eu-north-1", "DELETING")]))),
                Severity::Warning,
                "eu-north-1 is DELETING",
            ),
            (Ok(Some(table("ACTIVE", false, &north))), Severity::Blocker, "eu-north-1"),
            (Ok(None), Severity::Unknown, "no table"),
            (failed("AccessDeniedException"), Severity::Unknown, "AccessDeniedException"),
        ] {
            let finding = consistent("table x", &here, &seen);
            assert_eq!(finding.severity, severity, "{seen:?}");
            assert!(finding.message.contains(words), "{finding:?}");
        }
    }

    #[test]
    fn a_description_without_the_kind_of_consistency_is_of_the_kind_that_agrees_later_and_the_own_replica_is_no_other()
    {
        let here = Region::parse("eu-west-1").expect("a Region");
        let replica = |region: &str| aws_sdk_dynamodb::types::ReplicaDescription::builder().region_name(region).build();
        let described = TableDescription::builder().replicas(replica("eu-west-1")).replicas(replica("eu-north-1"));
        let seen = table_seen(&described.build(), &here);
        assert!(!seen.strong);
        assert_eq!(seen.replicas, [("eu-north-1".to_owned(), "of unknown status".to_owned())]);
    }
}
