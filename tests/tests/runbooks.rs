//! The runbooks, each in the situation it is for: its commands are run as they stand on the page, and what became of the
//! world is read from the emulator's own state.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::time::Duration;

use drill::gateway::{Effect, Matcher, Rule};
use drill::moment::Moment;
use drill::progress::Progress;
use drill::scenarios::failover_changes;
use drill::stage::{Asks, Evidence, Order, QUESTION, Run, Stage};
use drill::staging::{Fencing, Staging};
use drill::tools::{Tools, build_functions, ensure_tools};
use drill::verdict::{self, Check};
use drill::world::{MAX_LAG_MS, MAX_RPO_MS, Site, Workload};
use failover_tests::markdown::{Block, blocks, files, short_path};
use failover_tests::runbook::{FOLDER, NO_LOCAL, Runbook, SHELL};
use serde_json::{Value, json};
use tokio::sync::Mutex;

const SEED: u64 = 20_261_121;
/// How long a state is held in which a run is stopped: more than the stage needs to see it.
const HOLD: Duration = Duration::from_millis(1_200);

/// Every page, the ways through it that are run here besides its unmarked blocks, and how many of its blocks are not run.
const PAGES: [(&str, &[&str], usize); 9] = [
    ("README", &[], 0),
    ("acknowledge", &[], 0),
    ("approve-or-decline", &["approve", "decline"], 1),
    ("fail-back", &[], 0),
    ("force", &[], 0),
    ("kill-switch", &["set", "clear", "by-hand"], 0),
    ("preflight", &[], 0),
    ("rebuild-after-detach", &[], 1),
    ("resume", &[], 1),
];

/// The local AWS is one at a time: two cores are few for two of them.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A local AWS with a workload and its orchestrator.
struct Scene {
    tools: Tools,
    stage: Stage,
}

impl Scene {
    async fn new(staging: Staging) -> Self {
        let progress = Progress::silent();
        let tools = ensure_tools(&progress).await.expect("the tools install");
        build_functions(&tools, &progress).await.expect("the functions build");
        let stage = Stage::set_up(&tools, SEED, staging, &progress).await.expect("the stage is set");
        Self { tools, stage }
    }

    /// Goes down a page, and answers what it printed.
    async fn page(&self, name: &str, ways: &[&str], answers: &[&str]) -> String {
        let page = Runbook::read(name).expect("the page is there");
        let outcome = page.run(&self.tools, &self.stage, ways, answers).await;
        outcome.unwrap_or_else(|problem| unreachable!("{problem}"))
    }

    /// Loses the Region that serves, by alarm.
    async fn lose(&mut self) -> Moment {
        self.stage.lose(Site::Primary);
        self.stage.raise_alarm().await.expect("the alarm is set")
    }

    /// Waits for the next run that is not known yet, to its end, and answers it.
    async fn ended(&mut self, since: Moment, target: Option<Site>) -> Run {
        self.stage.await_run("running", since, target).await.expect("the run ends");
        let evidence = self.evidence().await;
        evidence.runs.into_iter().next_back().expect("a run")
    }

    /// Waits for the question, and answers the execution's name and the token, as they stand in the message.
    async fn question(&mut self, asks: Asks) -> (String, String) {
        let question = self.stage.await_question(asks).await.expect("the question");
        let executions = self.stage.orchestrator().executions().await.expect("executions");
        (executions.last().expect("one that asks").name.clone(), question.approve.task_token)
    }

    async fn evidence(&self) -> Evidence {
        self.stage.evidence().await.expect("the outcome can be read")
    }

    /// The plan's item of the ledger, as DynamoDB has it.
    async fn plan_item(&self) -> Value {
        let key = json!({ "operation_id": { "S": format!("plan#{}", Workload::Trading) } });
        let table = self.stage.output("LedgerTableName").expect("an output");
        let input = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        let answer = self.stage.aws().json("dynamodb", Site::Standby.region(), "GetItem", &input).await;
        answer.expect("the ledger answers")["Item"].take()
    }
}

fn all_hold(checks: impl IntoIterator<Item = Check>) {
    for check in checks {
        assert!(check.passed, "{}: found {}", check.claim, check.found);
    }
}

/// The workload is there, whole, and nothing else was touched.
fn serves_from(evidence: &Evidence, site: Site) -> Vec<Check> {
    let mut checks = vec![
        verdict::writer_at(evidence, site),
        verdict::services_run_at(evidence, site),
        verdict::minimum_raised_at(evidence, site),
        verdict::endpoint_answers(evidence, site),
        verdict::other_services_untouched(evidence),
        verdict::other_records_untouched(evidence),
        verdict::nothing_denied(evidence),
        verdict::nothing_undelivered(evidence),
    ];
    checks.extend(verdict::traffic_at(evidence, site));
    checks
}

fn fences_required() -> Staging {
    Staging { fencing: Fencing::Required, ..Staging::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_data_loss_is_approved_and_the_run_succeeds() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(Staging::default()).await;
    scene.stage.fall_behind(MAX_RPO_MS + 1).await.expect("a lag");
    let ordered = scene.lose().await;
    let (name, token) = scene.question(Asks::Failover).await;
    let printed = scene.page("approve-or-decline", &["approve"], &[&name, &token]).await;
    assert!(printed.contains("SUCCEEDED"), "{printed}");
    scene.ended(ordered, Some(Site::Standby)).await;
    let evidence = scene.evidence().await;
    all_hold(serves_from(&evidence, Site::Standby));
    all_hold([verdict::changes_made(&evidence, &failover_changes())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_data_loss_is_declined_and_the_run_stands_down() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(Staging::default()).await;
    scene.stage.fall_behind(MAX_RPO_MS + 1).await.expect("a lag");
    let ordered = scene.lose().await;
    let (name, token) = scene.question(Asks::Failover).await;
    scene.page("approve-or-decline", &["decline"], &[&name, &token]).await;
    let run = scene.ended(ordered, None).await;
    let evidence = scene.evidence().await;
    all_hold([
        verdict::decided(&run, "stand_down"),
        verdict::changes_made(&evidence, &[]),
        verdict::world_unchanged(&evidence),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_fences_is_approved_and_the_run_succeeds() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(fences_required()).await;
    let ordered = scene.lose().await;
    let (name, token) = scene.question(Asks::Fencing).await;
    scene.page("approve-or-decline", &["approve"], &[&name, &token]).await;
    let run = scene.ended(ordered, Some(Site::Standby)).await;
    let evidence = scene.evidence().await;
    all_hold(serves_from(&evidence, Site::Standby));
    all_hold([verdict::asked_for_the_fences(&evidence, &run, Site::Primary)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_fences_is_declined_and_nothing_is_promoted() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(fences_required()).await;
    let ordered = scene.lose().await;
    let (name, token) = scene.question(Asks::Fencing).await;
    let printed = scene.page("approve-or-decline", &["decline"], &[&name, &token]).await;
    let run = scene.ended(ordered, None).await;
    assert!(printed.contains("FAILED\tFailover.Refused"), "{printed}; {:#?}", run.told);
    let evidence = scene.evidence().await;
    all_hold([verdict::refused(&run, "declined"), verdict::changes_made(&evidence, &[])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_ends_the_cooldown_and_the_next_alarm_is_admitted() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(Staging::default()).await;
    let ordered = scene.lose().await;
    scene.ended(ordered, Some(Site::Standby)).await;
    scene.stage.restore(Site::Primary).await.expect("the Region is back");
    let ordered = scene.stage.order(Order::Switchover, Site::Primary, "it is back").await.expect("an order");
    scene.ended(ordered, Some(Site::Primary)).await;
    let ordered = scene.lose().await;
    let held = scene.ended(ordered, None).await;
    all_hold([verdict::decided(&held, "stand_down"), verdict::reason_names(&held, "cooldown")]);
    assert_eq!(cooldowns(&scene.plan_item().await), 2, "there and back");

    let printed = scene.page("acknowledge", &[], &[]).await;

    assert!(printed.contains("2 cooldowns are ended"), "{printed}");
    let item = scene.plan_item().await;
    assert_eq!(cooldowns(&item), 0);
    assert_eq!(item["statements"]["L"][0]["M"]["by"]["S"], "ada@example.com");
    scene.stage.clear_alarm().await.expect("the alarm is cleared");
    let ordered = scene.stage.raise_alarm().await.expect("the alarm is set");
    scene.ended(ordered, Some(Site::Standby)).await;
    all_hold(serves_from(&scene.evidence().await, Site::Standby));
}

/// Whether it is in the printed JSON, which the emulator writes with spaces that AWS leaves out.
fn says(printed: &str, field: &str) -> bool {
    printed.replace("\": ", "\":").contains(field)
}

fn cooldowns(item: &Value) -> usize {
    item["cooldowns"]["M"].as_object().map_or(0, serde_json::Map::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_holds_alarms_until_it_is_cleared() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(Staging::default()).await;
    let printed = scene.page("kill-switch", &["set"], &[]).await;
    assert!(says(&printed, "\"kill_switch_set\":true"), "{printed}");
    let ordered = scene.lose().await;
    let held = scene.ended(ordered, None).await;
    all_hold([verdict::decided(&held, "stand_down"), verdict::reason_names(&held, "ada@example.com")]);
    all_hold([verdict::world_unchanged(&scene.evidence().await)]);

    let printed = scene.page("kill-switch", &["clear"], &[]).await;

    assert!(says(&printed, "\"kill_switch_set\":false"), "{printed}");
    scene.stage.clear_alarm().await.expect("the alarm is cleared");
    let ordered = scene.stage.raise_alarm().await.expect("the alarm is set");
    scene.ended(ordered, Some(Site::Standby)).await;
    all_hold(serves_from(&scene.evidence().await, Site::Standby));
    scene.page("kill-switch", &["by-hand"], &[]).await;
    assert_eq!(scene.plan_item().await["kill_switch"]["BOOL"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_run_goes_on_without_the_fences_that_the_plan_requires_and_asks_nobody() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(fences_required()).await;
    scene.stage.lose(Site::Primary);
    let ordered = Moment::now();
    scene.page("force", &[], &[]).await;
    let rehearsal = scene.ended(ordered, None).await;
    let run = scene.ended(ordered, Some(Site::Standby)).await;
    let told: Vec<_> = rehearsal.told.iter().chain(&run.told).collect();
    assert!(told.iter().all(|message| !message.subject.contains(QUESTION)), "{told:?}");
    assert!(told.iter().any(|message| message.text.contains("FORCED by a person: Frankfurt is lost")), "{told:?}");
    let evidence = scene.evidence().await;
    all_hold(serves_from(&evidence, Site::Standby));
    all_hold([
        verdict::changes_made(&evidence, &failover_changes()),
        verdict::fences_reported(&evidence, &run, Site::Primary, Some("timed_out")),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_stopped_is_resumed_and_ends_where_an_undisturbed_one_does() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(Staging::default()).await;
    let caller = format!("failover-{}-promote-aurora", Workload::Trading.suffix());
    let completing = Matcher::any().caller(caller).operation("UpdateItem").body_contains("#promote-aurora#arn:aws:rds");
    let held = scene.stage.local.gateway.add_rule(Rule::new("held in Act", completing, Effect::Delay(HOLD)));
    let ordered = scene.lose().await;
    let stopped = scene.stage.stop_in("Act").await.expect("it gets there");
    scene.stage.local.gateway.remove_rule(held);
    scene.page("resume", &[], &[&stopped.name]).await;
    scene.ended(ordered, Some(Site::Standby)).await;
    let evidence = scene.evidence().await;
    all_hold(serves_from(&evidence, Site::Standby));
    all_hold([
        verdict::stopped_and_continued(&evidence, 1),
        verdict::changes_made(&evidence, &failover_changes()),
        verdict::plan_concluded(&evidence, 1, Site::Standby),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_back_gets_the_workload_and_all_that_fencing_took_from_it() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(Staging::default()).await;
    scene.stage.fall_behind(MAX_LAG_MS).await.expect("a lag");
    scene.stage.lose_half(Site::Primary);
    let ordered = scene.stage.raise_alarm().await.expect("the alarm is set");
    scene.ended(ordered, Some(Site::Standby)).await;
    all_hold([verdict::fenced(&scene.evidence().await, Site::Primary)]);
    scene.stage.restore(Site::Primary).await.expect("the Region is back");
    let ordered = Moment::now();
    scene.page("fail-back", &[], &[]).await;
    scene.ended(ordered, None).await;
    scene.ended(ordered, Some(Site::Primary)).await;
    let evidence = scene.evidence().await;
    all_hold(serves_from(&evidence, Site::Primary));
    all_hold([verdict::plan_concluded(&evidence, 2, Site::Primary)]);
    assert_eq!(evidence.after.security_groups[&Site::Primary], evidence.before.security_groups[&Site::Primary]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_global_database_is_rebuilt_after_a_detach_and_can_be_switched_over_again() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(Staging::default()).await;
    scene.stage.lose(Site::Primary);
    let ordered = Moment::now();
    let trigger = json!({ "kind": "manual", "mode": "detach", "reason": "lost", "target_region": "eu-west-1" });
    let input = json!({ "plan": Workload::Trading, "trigger": trigger }).to_string();
    scene.stage.orchestrator().start("detach", &input).await.expect("an order");
    scene.ended(ordered, None).await;
    scene.stage.restore(Site::Primary).await.expect("the Region is back");
    let standby = Workload::Trading.cluster_arn(Site::Standby, &scene.evidence().await.account_id);
    assert!(!scene.evidence().await.after.members.contains_key(&standby), "it is detached");

    scene.page("rebuild-after-detach", &[], &[]).await;

    let evidence = scene.evidence().await;
    let old = Workload::Trading.cluster_arn(Site::Primary, &evidence.account_id);
    assert_eq!(evidence.after.members, [(old, false), (standby, true)].into());
    let kept = scene.stage.aws().query("rds", Site::Primary.region(), "DescribeDBClusterSnapshots", &[]).await;
    assert!(kept.expect("snapshots").contains("trading-db-frankfurt-before-rebuild-"));
    let ordered = scene.stage.order(Order::Switchover, Site::Primary, "rebuilt").await.expect("an order");
    scene.ended(ordered, Some(Site::Primary)).await;
    all_hold(serves_from(&scene.evidence().await, Site::Primary));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_tells_what_would_fail_and_changes_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new(Staging::default()).await;
    let instance = format!("{}-1", Workload::Trading.cluster_id(Site::Standby));
    let parameters = [("DBInstanceIdentifier", instance.as_str()), ("SkipFinalSnapshot", "true")];
    let deleted = scene.stage.aws().query("rds", Site::Standby.region(), "DeleteDBInstance", &parameters).await;
    deleted.expect("a standby without an instance");
    let ordered = Moment::now();
    let printed = scene.page("preflight", &[], &[]).await;
    assert!(printed.contains("- BLOCKER: ") && printed.contains("(target-has-an-instance)"), "{printed}");
    assert!(printed.contains("ok\trecord-sets-present\t"), "what is well is listed as well: {printed}");
    for function in ["health-probe", "promote-aurora", "scale-ecs", "shift-dns"] {
        let permitted = format!("ok\trole-permits-the-run\trole of {function}\tpermits the ");
        assert!(printed.contains(&permitted), "{function}: {printed}");
    }
    let run = scene.ended(ordered, None).await;
    let evidence = scene.evidence().await;
    all_hold([
        verdict::decided(&run, "checked"),
        verdict::changes_made(&evidence, &[]),
        verdict::world_unchanged(&evidence),
        verdict::nothing_denied(&evidence),
    ]);
}

#[test]
fn every_block_of_every_runbook_is_run_or_marked_and_counted() {
    let source = include_str!("runbooks.rs");
    let paths = files(FOLDER).expect("the folder");
    let names = paths.iter().map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned());
    assert!(names.eq(PAGES.iter().map(|(name, ..)| *name)), "every page has an entry in PAGES: {paths:?}");
    for (path, (name, ways, not_run)) in paths.iter().zip(PAGES) {
        let blocks = blocks(&std::fs::read_to_string(path).expect("a text"));
        assert!(blocks.iter().all(|block| block.language == SHELL), "{name}: all blocks are commands");
        assert_eq!(blocks.iter().filter(|block| block.is_marked(NO_LOCAL)).count(), not_run, "{name}: not run");
        let known = |block: &Block| block.marks.iter().all(|mark| mark == NO_LOCAL || ways.contains(&mark.as_str()));
        assert!(blocks.iter().all(known), "{name}: each mark is a way of PAGES");
        for way in ways {
            assert!(blocks.iter().any(|block| block.is_marked(way)), "{name}: no block is marked {way}");
            assert!(source.contains(&format!("page(\"{name}\", &[\"{way}\"]")), "{name}: nobody goes the way {way}");
        }
        assert!(blocks.is_empty() || source.contains(&format!("page(\"{name}\", &[")), "{name}: nobody opens it");
    }
}

#[test]
fn no_other_document_holds_commands_that_nobody_runs() {
    let mut not_run = 0;
    for path in files("docs").expect("the folder") {
        for block in blocks(&std::fs::read_to_string(&path).expect("a text")) {
            let is_command = ["sh", "bash", "console", "shell"].contains(&block.language.as_str());
            assert!(!is_command || block.is_marked(NO_LOCAL), "{}, line {}", short_path(&path), block.line);
            not_run += usize::from(is_command);
        }
    }
    assert_eq!(not_run, 3, "the set-up of the inverted health check, which needs Route 53's checkers");
}
