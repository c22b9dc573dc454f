//! Identifiers as types of their own: each is checked when it is read, so code behind the boundary need not check again.

use std::fmt;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Defines a string newtype whose content is checked by a predicate when it is parsed.
macro_rules! checked_string {
    ($(#[$doc:meta])* $name:ident, $expects:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps a text.
            ///
            /// # Errors
            /// A sentence that says what was expected and what was found.
            pub fn parse(text: &str) -> Result<Self, String> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(format!(concat!("expected ", $expects, ", found {:?}"), text))
                }
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(super) use checked_string;

checked_string!(
    /// Names one failover. It is the execution's name in Step Functions, hence its limits.
    /// Source: <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
    FailoverId,
    "1 to 80 letters, digits, '-' or '_'",
    |text| is_name(text, 80)
);

checked_string!(
    /// Names a recovery plan.
    PlanName,
    "1 to 40 letters, digits, '-' or '_'",
    |text| is_name(text, 40)
);

checked_string!(
    /// A caller's own idempotency key, used in place of the derived operation id.
    IdempotencyKey,
    "1 to 256 visible ASCII characters, not beginning with \"plan#\" as a plan's own item does",
    |text| {
        let fits = (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits && !text.starts_with(PLAN_KEY_PREFIX)
    }
);

/// How the keys of the plans' items begin in the ledger, in which a caller's own key is a key like any other.
pub(crate) const PLAN_KEY_PREFIX: &str = "plan#";

checked_string!(
    /// An AWS Region's code, such as `eu-west-1`.
    Region,
    "a Region code such as \"eu-west-1\"",
    is_region
);

impl Region {
    /// US East (N. Virginia), where the control plane of Route 53 stands.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/disaster-recovery-resiliency.html>
    #[must_use]
    pub fn us_east_1() -> Self {
        Self("us-east-1".to_owned())
    }

    /// US West (Oregon), where the control plane of Global Accelerator stands.
    /// Source: <https://docs.aws.amazon.com/global-accelerator/latest/api/Welcome.html>
    #[must_use]
    pub fn us_west_2() -> Self {
        Self("us-west-2".to_owned())
    }
}

checked_string!(
    /// An AWS account's twelve digits.
    AccountId,
    "an account id of 12 digits",
    |text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
);

checked_string!(
    /// The identifier of a DB cluster or of a global cluster.
    /// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html>
    ClusterId,
    "1 to 63 letters, digits or '-', beginning with a letter",
    is_cluster_id
);

checked_string!(
    /// The ARN of a DB cluster: `arn:aws:rds:REGION:ACCOUNT:cluster:ID`.
    ClusterArn,
    "a DB cluster's ARN such as \"arn:aws:rds:eu-west-1:123456789012:cluster:trading\"",
    |text| split_cluster_arn(text).is_some()
);

impl ClusterArn {
    /// The Region the cluster stands in.
    #[must_use]
    pub fn region(&self) -> Region {
        let (region, _, _) = self.parts();
        Region(region.to_owned())
    }

    /// The account that owns the cluster.
    #[must_use]
    pub fn account(&self) -> AccountId {
        let (_, account, _) = self.parts();
        AccountId(account.to_owned())
    }

    /// The cluster's identifier within its Region.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        let (_, _, id) = self.parts();
        ClusterId(id.to_owned())
    }

    /// Puts an ARN together in the partition the Region belongs to.
    #[must_use]
    pub fn new(region: &Region, account: &AccountId, cluster: &ClusterId) -> Self {
        let partition = partition_of(region.as_str());
        Self(format!("arn:{partition}:rds:{region}:{account}:cluster:{cluster}"))
    }

    fn parts(&self) -> (&str, &str, &str) {
        // The constructor has checked the form, so the fallback is never seen.
        split_cluster_arn(&self.0).unwrap_or_default()
    }
}

/// The fencing token of a plan's failovers: grows by one with each failover that is started.
pub type Generation = u64;

/// A moment of the years 1 to 9999, in milliseconds since the Unix epoch; RFC 3339 in JSON, which knows no others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-01T00:00:00Z.
    pub const EARLIEST: Self = Self(-62_135_596_800_000);
    /// 9999-12-31T23:59:59.999Z.
    pub const LATEST: Self = Self(253_402_300_799_999);

    /// From milliseconds since the Unix epoch; what lies before or after all moments becomes the first or the last one.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis < Self::EARLIEST.0 {
            Self::EARLIEST
        } else if millis > Self::LATEST.0 {
            Self::LATEST
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Milliseconds from `earlier` to this moment; zero when `earlier` is the later one.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// This moment, so many milliseconds later.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// This moment, so many milliseconds earlier.
    #[must_use]
    pub fn minus_millis(self, millis: u64) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// Reads an RFC 3339 text, or CloudWatch's form of it (`2026-11-21T04:00:00.000+0000`).
    ///
    /// # Errors
    /// A sentence that says what was expected and what was found.
    pub fn parse(text: &str) -> Result<Self, String> {
        // CloudWatch writes the offset without its colon.
        // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
        let normal = text.strip_suffix("+0000").map(|rest| format!("{rest}Z"));
        let text = normal.as_deref().unwrap_or(text);
        DateTime::from_str(text, Format::DateTimeWithOffset)
            .ok()
            .and_then(|moment| moment.to_millis().ok())
            .map(Self::from_millis)
            .ok_or_else(|| format!("expected an RFC 3339 time such as \"2026-11-21T04:00:00Z\", found {text:?}"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = DateTime::from_millis(self.0).fmt(Format::DateTime).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else {
        return false;
    };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

fn is_cluster_id(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn split_cluster_arn(text: &str) -> Option<(&str, &str, &str)> {
    let fields: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "rds", region, account, "cluster", id] = fields.as_slice() else {
        return None;
    };
    let valid =
        partition.starts_with("aws") && is_region(region) && AccountId::parse(account).is_ok() && is_cluster_id(id);
    valid.then_some((*region, *account, *id))
}

fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_needs_words_and_a_number() {
        for good in ["eu-west-1", "us-gov-east-1", "ap-southeast-2"] {
            assert!(Region::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "eu", "eu-west", "EU-WEST-1", "eu-west-1a", "eu--1", "Europe (Ireland)"] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cluster_arn_gives_its_parts_back() {
        let arn = ClusterArn::parse("arn:aws:rds:eu-west-1:123456789012:cluster:trading-dr");
        let arn = arn.expect("valid");
        assert_eq!(arn.region().as_str(), "eu-west-1");
        assert_eq!(arn.account().as_str(), "123456789012");
        assert_eq!(arn.cluster_id().as_str(), "trading-dr");
        assert_eq!(ClusterArn::new(&arn.region(), &arn.account(), &arn.cluster_id()), arn);
    }

    #[test]
    fn a_cluster_name_is_not_taken_for_an_arn() {
        let refused = ClusterArn::parse("trading-dr").expect_err("not an ARN");
        assert!(refused.contains("\"trading-dr\""), "{refused}");
    }

    #[test]
    fn cloudwatch_and_rfc_3339_times_read_the_same() {
        let plain = Timestamp::parse("2026-11-21T04:00:00Z").expect("valid");
        let cloudwatch = Timestamp::parse("2026-11-21T04:00:00.000+0000").expect("valid");
        assert_eq!(plain, cloudwatch);
        assert_eq!(plain.to_string(), "2026-11-21T04:00:00Z");
    }

    #[test]
    fn every_moment_can_be_shown_and_read_again_however_far_off_it_is() {
        for (millis, shown) in [
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (Timestamp::LATEST.as_millis(), "9999-12-31T23:59:59.999Z"),
            (Timestamp::LATEST.as_millis() - 999, "9999-12-31T23:59:59Z"),
            (Timestamp::EARLIEST.as_millis() + 1_000, "0001-01-01T00:00:01Z"),
            (Timestamp::EARLIEST.as_millis(), "0001-01-01T00:00:00Z"),
            (i64::MIN, "0001-01-01T00:00:00Z"),
        ] {
            let moment = Timestamp::from_millis(millis);
            assert_eq!(moment.to_string(), shown, "{millis}");
            assert_eq!(Timestamp::parse(shown), Ok(moment));
        }
        assert_eq!(Timestamp::LATEST.plus_millis(1), Timestamp::LATEST);
        assert_eq!(Timestamp::EARLIEST.minus_millis(u64::MAX), Timestamp::EARLIEST);
        let beyond = Timestamp::parse("9999-12-31T23:59:59-23:59").expect("RFC 3339 allows it");
        assert_eq!(beyond, Timestamp::LATEST);
    }

    #[test]
    fn a_callers_own_key_is_never_the_key_of_a_plans_item() {
        for good in ["a", "deploy-7", "f1#scale-ecs#x", "a-plan#trading", "planning"] {
            assert!(IdempotencyKey::parse(good).is_ok(), "{good}");
        }
        let longest = "x".repeat(256);
        assert!(IdempotencyKey::parse(&longest).is_ok());
        for bad in ["", "a b", "schlüssel", "plan#trading", "plan#", &format!("{longest}x")] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad}");
        }
    }
}
