//! What people tell `health-probe` by hand: commands that change how the plan's automatic runs are held, and nothing in
//! AWS (X5). Each is kept in the ledger with who said it, why and when.
//!
//! The name is what the caller says it is: a function is not told who invokes it. Who may is for IAM to say
//! (`lambda:InvokeFunction`), and who did is in CloudTrail, where data events of Lambda are logged.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html>

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identifiers::checked_string;
use super::{FailoverId, PlanName, Timestamp};

checked_string!(
    /// Who says it: a name that colleagues know, such as a user name or an e-mail address.
    PersonName,
    "1 to 100 characters without line breaks, not all blank",
    |text| is_line(text, 100)
);

checked_string!(
    /// Why, in words for whoever reads it later.
    Reason,
    "1 to 500 characters without line breaks, not all blank",
    |text| is_line(text, 500)
);

fn is_line(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
}

/// The incident is understood: ends the plan's cooldowns, and a failover that has overstayed its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// The recovery plan, which has to be the function's own.
    pub plan: PlanName,
    /// Who says so.
    pub by: PersonName,
    /// Why.
    pub reason: Reason,
}

/// Sets or clears the plan's kill switch: while it is set, alarms start nothing, and automatic runs stop before their
/// next change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillSwitchRequest {
    /// The recovery plan, which has to be the function's own.
    pub plan: PlanName,
    /// True sets it, false clears it.
    pub set: bool,
    /// Who says so.
    pub by: PersonName,
    /// Why.
    pub reason: Reason,
}

/// What a person's command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperatorResponse {
    /// The recovery plan.
    pub plan: PlanName,
    /// What was done, in one sentence.
    pub done: String,
    /// When, as the ledger has it.
    pub at: Timestamp,
    /// Whether the kill switch is set now.
    pub kill_switch_set: bool,
    /// The failover that is under way now, if one is: it goes on unless the kill switch stops it.
    pub under_way: Option<FailoverId>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::contract;

    fn problem(request: Value) -> String {
        contract::parse::<KillSwitchRequest>(request).expect_err("refused").to_string()
    }

    #[test]
    fn a_word_without_a_name_or_a_reason_is_none() {
        let word = |by: &str, reason: &str| json!({ "plan": "trading", "set": true, "by": by, "reason": reason });
        assert!(
            contract::parse::<KillSwitchRequest>(word("Ada Lovelace <ada@example.com>", "größere Wartung")).is_ok()
        );
        for nobody in ["", " ", "a\nb", &"x".repeat(101)] {
            assert!(problem(word(nobody, "maintenance")).starts_with("by: "), "{nobody:?}");
        }
        for nothing in ["", "\t", &"x".repeat(501)] {
            assert!(problem(word("ada", nothing)).starts_with("reason: "), "{nothing:?}");
        }
    }

    #[test]
    fn each_field_is_needed_and_no_other_is_known() {
        let whole = json!({ "plan": "trading", "set": true, "by": "ada", "reason": "maintenance" });
        for field in ["plan", "set", "by", "reason"] {
            let mut request = whole.clone();
            request.as_object_mut().expect("an object").remove(field);
            assert!(problem(request).contains(field), "{field}");
        }
        let mut request = whole;
        request["until"] = json!("tomorrow");
        assert!(problem(request).contains("until"));
    }
}
