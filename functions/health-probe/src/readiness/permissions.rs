//! Whether each function's role permits what a run needs of it, by IAM's own simulation.
//!
//! IAM is one service for all Regions, with its control plane in us-east-1, and a simulation is answered there. A failover
//! must not depend on that, so no run asks: only a preflight of its own does, and takes silence for "unknown".
//! Source: <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html>
//!
//! A simulation knows the role's policies, its boundary and the organization's policies, but not those of a resource: a
//! bucket's or a key's policy may still say no.
//! Source: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_iam::operation::simulate_principal_policy::SimulatePrincipalPolicyOutput;
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType, ResourceSpecificResult,
};
use failover::contract::{Finding, RunPlan};
use failover::env::millis;
use failover::recovery_plan::RecoveryPlan;
use futures_util::{StreamExt, stream};

use super::needs::{Context, Place, Question, Value, Without};
use crate::HealthProbe;

/// How many questions are asked at once; IAM takes few.
const CONCURRENT: usize = 4;
/// How long all questions may take together.
const ASKING_TIMEOUT: Duration = Duration::from_secs(20);

const CHECK: &str = "role-permits-the-run";

/// What IAM said to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Permitted,
    /// Not permitted on these.
    Denied(Vec<String>),
    /// It could not be found out, and why.
    Unknown(String),
}

/// One finding for each function that the run uses.
pub(super) async fn checks(probe: &HealthProbe, plan: &RecoveryPlan, run: &RunPlan) -> Vec<Finding> {
    let config = &probe.tools.config;
    let place = Place {
        plan,
        run,
        partition: probe.settings.partition(),
        account: config.account.as_str(),
        region: &config.dr_region,
        table: &config.ledger_table(),
        state_machine_arn: &probe.settings.state_machine_arn,
        topic_arn: &probe.settings.notification_topic_arn,
    };
    let mut by_function: BTreeMap<&str, Vec<(Question, Answer)>> = BTreeMap::new();
    for (question, answer) in ask_all(probe, place.questions()).await {
        by_function.entry(question.need.function).or_default().push((question, answer));
    }
    by_function.iter().map(|(function, answers)| judge(function, answers)).collect()
}

async fn ask_all(probe: &HealthProbe, questions: Vec<Question>) -> Vec<(Question, Answer)> {
    // From whichever Region it is given, the SDK finds the partition's one endpoint.
    let client = aws_sdk_iam::Client::new(&probe.tools.clients.reading(&probe.tools.config.dr_region));
    let client = &client;
    let asked = stream::iter(questions.clone())
        .map(async |question| {
            let answer = ask(probe, client, &question).await;
            (question, answer)
        })
        .buffer_unordered(CONCURRENT);
    tokio::select! {
        biased;
        answers = asked.collect::<Vec<_>>() => answers,
        () = probe.tools.env.sleep(ASKING_TIMEOUT) => {
            let late = Answer::Unknown(format!("IAM did not answer everything within {} ms", millis(ASKING_TIMEOUT)));
            questions.into_iter().map(|question| (question, late.clone())).collect()
        }
    }
}

/// One action in a call: IAM refuses to simulate together what it would authorise by different kinds of resources.
async fn ask(probe: &HealthProbe, client: &aws_sdk_iam::Client, question: &Question) -> Answer {
    let Some(role) = probe.settings.function_roles.get(question.need.function) else {
        return Answer::Unknown(format!("FUNCTION_ROLES names no role of {}", question.need.function));
    };
    let request = client
        .simulate_principal_policy()
        .policy_source_arn(role)
        .action_names(question.need.action)
        .set_resource_arns(Some(question.resources.iter().cloned().collect()))
        .set_context_entries(Some(entries(&question.context)))
        .send();
    match probe.tools.calls.call("iam", "SimulatePrincipalPolicy", request).await {
        Ok(answer) => read(&answer),
        Err(error) => Answer::Unknown(error.to_string()),
    }
}

fn entries(context: &Context) -> Vec<ContextEntry> {
    let entry = |(key, value): (&&'static str, &Value)| {
        let builder = ContextEntry::builder().context_key_name(*key);
        let builder = match value {
            Value::Text(text) => builder.context_key_type(ContextKeyTypeEnum::String).context_key_values(text),
            Value::Texts(texts) => {
                builder.context_key_type(ContextKeyTypeEnum::StringList).set_context_key_values(Some(texts.clone()))
            }
        };
        builder.build()
    };
    context.iter().map(entry).collect()
}

/// The decision on the action is the strictest of those on its resources.
fn read(answer: &SimulatePrincipalPolicyOutput) -> Answer {
    let results = answer.evaluation_results();
    if results.is_empty() {
        return Answer::Unknown("IAM's simulation has no result".to_owned());
    }
    let denied: Vec<&EvaluationResult> =
        results.iter().filter(|result| *result.eval_decision() != PolicyEvaluationDecisionType::Allowed).collect();
    if denied.is_empty() {
        return Answer::Permitted;
    }
    // A condition on a key that has no value here is not met in the simulation, and may well be in a request.
    let implicit = |result: &&&EvaluationResult| *result.eval_decision() == PolicyEvaluationDecisionType::ImplicitDeny;
    if denied.iter().filter(implicit).count() == denied.len() {
        let of_resources = |result: &EvaluationResult| -> Vec<String> {
            let each = result.resource_specific_results().iter();
            each.flat_map(ResourceSpecificResult::missing_context_values).cloned().collect()
        };
        let mut missing: Vec<String> = denied
            .iter()
            .flat_map(|result| [result.missing_context_values().to_vec(), of_resources(result)].concat())
            .collect();
        missing.sort();
        missing.dedup();
        if !missing.is_empty() {
            return Answer::Unknown(format!("it depends on {}, which a simulation does not have", missing.join(", ")));
        }
    }
    Answer::Denied(denied.into_iter().flat_map(denied_on).collect())
}

fn denied_on(result: &EvaluationResult) -> Vec<String> {
    let each = result.resource_specific_results().iter();
    let denied: Vec<String> = each
        .filter(|one| *one.eval_resource_decision() != PolicyEvaluationDecisionType::Allowed)
        .map(|one| one.eval_resource_name().to_owned())
        .collect();
    if denied.is_empty() { vec![result.eval_resource_name().unwrap_or("*").to_owned()] } else { denied }
}

fn judge(function: &str, answers: &[(Question, Answer)]) -> Finding {
    let subject = format!("role of {function}");
    let mut fails = Vec::new();
    let mut knows_less = Vec::new();
    let mut unknown = Vec::new();
    for (question, answer) in answers {
        let action = question.need.action;
        match (answer, question.need.without) {
            (Answer::Permitted, Without::Fails | Without::KnowsLess) => {}
            (Answer::Denied(on), Without::Fails) => fails.push(format!("{action} on {}", on.join(", "))),
            (Answer::Denied(on), Without::KnowsLess) => knows_less.push(format!("{action} on {}", on.join(", "))),
            (Answer::Unknown(why), Without::Fails | Without::KnowsLess) => unknown.push(format!("{action}: {why}")),
        }
    }
    let cure = "grant it in the template and deploy, or take the resource out of the plan: a plan may name only what the \
                roles name too; if the role has it, a boundary or an organization's policy denies it";
    if !fails.is_empty() {
        let all = [fails, knows_less].concat().join("; ");
        let blocks = format!("what {function} does in a run");
        return Finding::blocker(CHECK, subject, format!("does not permit {all}"), blocks, cure);
    }
    if let Some(first) = unknown.first() {
        return Finding::unknown(
            CHECK,
            subject,
            format!("{} of {} permissions are not known; {first}", unknown.len(), answers.len()),
            "IAM answers from us-east-1: check again when it does; see that health-probe's role permits \
             iam:SimulatePrincipalPolicy on the role, and that FUNCTION_ROLES names it",
        );
    }
    if !knows_less.is_empty() {
        let message = format!("does not permit {}: a run goes on without, and knows less", knows_less.join("; "));
        return Finding::warning(CHECK, subject, message, cure);
    }
    let message = format!("permits the {} actions that a run needs, by simulation", answers.len());
    Finding::ok(CHECK, subject, message)
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::PolicyEvaluationDecisionType as Decision;
    use failover::contract::Severity;

    use super::*;
    use crate::readiness::NEEDS;

    fn question(action: &str) -> Question {
        let need = NEEDS.into_iter().find(|need| need.action == action).expect("in the table");
        Question { need, resources: ["x".to_owned()].into(), context: Context::new() }
    }

    fn result(decision: Decision) -> aws_sdk_iam::types::builders::EvaluationResultBuilder {
        EvaluationResult::builder().eval_action_name("a:B").eval_resource_name("whole").eval_decision(decision)
    }

    fn of(results: Vec<EvaluationResult>) -> Answer {
        read(&SimulatePrincipalPolicyOutput::builder().set_evaluation_results(Some(results)).build())
    }

    fn one(builder: aws_sdk_iam::types::builders::EvaluationResultBuilder) -> Answer {
        of(vec![builder.build().expect("complete")])
    }

    fn on(name: &str, decision: Decision) -> ResourceSpecificResult {
        ResourceSpecificResult::builder()
            .eval_resource_name(name)
            .eval_resource_decision(decision)
            .build()
            .expect("complete")
    }

    #[test]
    fn an_action_is_permitted_only_if_every_result_says_so() {
        assert_eq!(one(result(Decision::Allowed)), Answer::Permitted);
        let mixed = [Decision::Allowed, Decision::ImplicitDeny].map(|decision| result(decision).build());
        let mixed = mixed.map(|result| result.expect("complete")).into();
        assert_eq!(of(mixed), Answer::Denied(vec!["whole".to_owned()]));
        assert!(matches!(of(Vec::new()), Answer::Unknown(_)), "silence is no permission");
    }

    #[test]
    fn a_denial_names_the_resources_it_is_about() {
        let specific = result(Decision::ExplicitDeny)
            .resource_specific_results(on("one", Decision::Allowed))
            .resource_specific_results(on("two", Decision::ExplicitDeny));
        assert_eq!(one(specific), Answer::Denied(vec!["two".to_owned()]));
    }

    #[test]
    fn a_denial_for_want_of_a_conditions_key_is_unknown_and_an_explicit_one_is_a_denial() {
        let Answer::Unknown(why) = one(result(Decision::ImplicitDeny).missing_context_values("aws:SourceVpc")) else {
            panic!("unknown");
        };
        assert!(why.contains("aws:SourceVpc"), "{why}");
        let explicit = result(Decision::ExplicitDeny).missing_context_values("aws:SourceVpc");
        assert_eq!(one(explicit), Answer::Denied(vec!["whole".to_owned()]));
    }

    #[test]
    fn a_role_is_judged_by_the_worst_answer() {
        let denied = || Answer::Denied(vec!["x".to_owned()]);
        let unknown = || Answer::Unknown("no answer".to_owned());
        let (needed, wished) = ("rds:FailoverGlobalCluster", "rds:DescribeEvents");
        for (of_needed, of_wished, severity, words) in [
            (Answer::Permitted, Answer::Permitted, Severity::Ok, "permits the 2 actions"),
            (Answer::Permitted, denied(), Severity::Warning, "rds:DescribeEvents on x"),
            (unknown(), denied(), Severity::Unknown, "1 of 2"),
            (denied(), unknown(), Severity::Blocker, "rds:FailoverGlobalCluster on x"),
            (denied(), denied(), Severity::Blocker, "rds:DescribeEvents on x"),
        ] {
            let finding = judge("promote-aurora", &[(question(needed), of_needed), (question(wished), of_wished)]);
            assert_eq!(finding.severity, severity, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
            assert_eq!(finding.blocks.is_some(), severity == Severity::Blocker, "{finding:?}");
        }
    }
}
