//! The report of a scenario: for a person at a terminal, and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::chaos::hits::{Coverage, Struck};
use crate::chaos::schedule::Kind;
use crate::gateway::Call;
use crate::moment::{Moment, seconds, whole_millis};
use crate::reference::Clients;
use crate::stage::{Evidence, Run};
use crate::story::Note;
use crate::timeline::{Step, Timeline, timeline};
use crate::verdict::{self, Check};

/// Columns of the bar chart, at least and at most.
const CHART_COLUMNS: std::ops::RangeInclusive<usize> = 12..=80;
/// Columns right of the chart: start, duration, attempts, calls.
const FIGURES_COLUMNS: usize = 36;
/// Columns left of everything.
const INDENT: usize = 2;
/// Longest name of a step that is shown whole.
const NAME_COLUMNS: usize = 21;
/// Text is not squeezed into fewer columns than this, however narrow the terminal.
const MIN_COLUMNS: usize = 20;
/// A block of each eighth of a column.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// What came of one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// Whether the verdict holds.
    pub passed: bool,
    /// From the first tool to the verdict, in milliseconds.
    pub took_ms: u64,
    /// What was done, and what clients saw.
    pub story: Vec<Note>,
    /// The runs of the state machine.
    pub runs: Vec<RunReport>,
    /// The verdict, check by check.
    pub checks: Vec<Check>,
    /// Where the logs are.
    pub logs: PathBuf,
    /// What the clients of a reference workload saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Clients>,
    /// What became of the faults that were drawn from the seed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Struck>,
    /// The command that plays it again, where there is one for just this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

/// One run of the state machine.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// What it was.
    pub label: String,
    /// The failover's id.
    pub failover_id: String,
    /// How the execution ended.
    pub status: String,
    /// Why it failed, or why it stood down.
    pub message: Option<String>,
    /// When the Region was lost or the order given.
    pub begins: Moment,
    /// Recovery time in milliseconds: until clients are served again.
    pub rto_ms: Figure,
    /// Recovery point in milliseconds of writes that may be lost.
    pub rpo_ms: Figure,
    /// Step by step.
    pub timeline: Timeline,
}

/// A figure by the product's own word, and as the drill knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// What the product reports.
    pub reported: Option<u64>,
    /// What the drill measured, or set.
    pub measured: Option<u64>,
}

/// Which play a report is of.
#[derive(Clone, Debug)]
pub struct Play<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// The seed of every random choice.
    pub seed: u64,
    /// From the first tool to the verdict.
    pub took: Duration,
    /// Where the logs are.
    pub logs: PathBuf,
}

impl Report {
    /// Puts a report together; `clients`, `faults` and `replay` are for those who have them.
    #[must_use]
    pub fn new(play: Play<'_>, story: Vec<Note>, runs: Vec<RunReport>, checks: Vec<Check>) -> Self {
        Self {
            scenario: play.scenario.to_owned(),
            seed: play.seed,
            passed: verdict::passed(&checks),
            took_ms: whole_millis(play.took),
            story,
            runs,
            checks,
            logs: play.logs,
            clients: None,
            faults: Vec::new(),
            replay: None,
        }
    }
}

impl RunReport {
    /// The runs of each orchestrator, that of the scenario first.
    pub(crate) fn all(evidence: &Evidence) -> Vec<Self> {
        let orchestrators = std::iter::once(evidence).chain(&evidence.beside);
        orchestrators.flat_map(|one| one.runs.iter().map(|run| Self::new(run, &one.calls))).collect()
    }

    pub(crate) fn new(run: &Run, calls: &[Call]) -> Self {
        let output = &run.execution.output;
        let served_after = run.served_again.map(|at| at.since(run.begins));
        let moves = run.target.is_some();
        Self {
            label: run.label.clone(),
            failover_id: run.failover_id().to_owned(),
            status: run.execution.status.clone(),
            message: run.execution.failure.clone().or_else(|| output["message"].as_str().map(str::to_owned)),
            begins: run.begins,
            rto_ms: Figure { reported: output["rto_ms"].as_u64(), measured: served_after.map(whole_millis) },
            rpo_ms: Figure {
                reported: output["rpo_ms"].as_u64(),
                measured: moves.then_some(if run.unplanned { run.lag_ms } else { 0 }),
            },
            timeline: timeline(run, calls),
        }
    }
}

/// How text is to look.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to use colours.
    pub colour: bool,
}

#[derive(Clone, Copy)]
enum Paint {
    Good,
    Bad,
    Dim,
    Strong,
}

impl Style {
    fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "1;31",
            Paint::Dim => "2",
            Paint::Strong => "1",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The report for a person.
#[must_use]
pub fn text(report: &Report, style: Style) -> String {
    let mut text = String::new();
    let begins = report.runs.first().map(|run| run.begins);
    if let Some(begins) = begins {
        push(&mut text, &format!("\n{}", style.paint(Paint::Strong, "What happened")));
        for note in &report.story {
            let at = seconds(whole_millis(note.at.since(begins)));
            words(&mut text, &format!("{at:>9}  "), &note.text, style);
        }
    }
    for run in &report.runs {
        push_run(&mut text, run, style);
    }
    push_clients(&mut text, report, style);
    push_faults(&mut text, report, style);
    push_verdict(&mut text, report, style);
    text
}

fn push_run(text: &mut String, run: &RunReport, style: Style) {
    let title = style.paint(Paint::Strong, &capitalized(&run.label));
    push(text, &format!("\n{title}  {}  {}", run.failover_id, run.status));
    if let Some(message) = &run.message {
        words(text, "  ", message, style);
    }
    push_chart(text, &run.timeline, style);
    for step in &run.timeline.steps {
        push_step(text, step, style);
    }
    let times = &run.timeline;
    let phase = |name: &str, time: Option<u64>| time.map(|time| format!("{name} {}", seconds(time)));
    let phases = [
        phase("detection", Some(times.detection_ms)),
        phase("decision", times.decision_ms),
        phase("execution", times.execution_ms),
    ];
    let phases: Vec<String> = phases.into_iter().flatten().collect();
    push(text, &format!("  {}  in all {}", phases.join(" · "), seconds(times.total_ms)));
    if run.rto_ms.reported.or(run.rto_ms.measured).is_some() {
        push(
            text,
            &format!(
                "  RTO  {} reported, {} measured",
                or_none(run.rto_ms.reported, seconds),
                or_none(run.rto_ms.measured, seconds)
            ),
        );
        push(
            text,
            &format!(
                "  RPO  {} reported, {} set by the drill",
                or_none(run.rpo_ms.reported, millis),
                or_none(run.rpo_ms.measured, millis)
            ),
        );
    }
}

/// What a step said last, and the AWS calls it made.
fn push_step(text: &mut String, step: &Step, style: Style) {
    let head = format!("  {:<NAME_COLUMNS$} ", cut(&step.name, NAME_COLUMNS));
    let below = " ".repeat(head.chars().count());
    let calls = calls_of(step);
    match &step.message {
        Some(message) => {
            wrapped(text, &head, message.split_whitespace(), " ", style);
            wrapped(text, &below, calls.iter().map(String::as_str), ", ", style);
        }
        None if calls.is_empty() => {}
        None => wrapped(text, &head, calls.iter().map(String::as_str), ", ", style),
    }
}

/// What clients saw.
fn push_clients(text: &mut String, report: &Report, style: Style) {
    if let Some(clients) = &report.clients {
        push(text, &format!("\n{}", style.paint(Paint::Strong, "What the client saw")));
        for line in clients.lines() {
            words(text, "  ", &line, style);
        }
    }
}

/// What became of each fault.
fn push_faults(text: &mut String, report: &Report, style: Style) {
    let Some(begins) = report.runs.iter().map(|run| run.begins).min().filter(|_| !report.faults.is_empty()) else {
        return;
    };
    push(text, &format!("\n{}", style.paint(Paint::Strong, "Faults")));
    for struck in &report.faults {
        let outcome = match (struck.hits, struck.first_at) {
            (0, _) => "DID NOT STRIKE".to_owned(),
            (hits, None) => format!("{hits}×"),
            (hits, Some(at)) => {
                format!("{hits}×, first at {}", seconds(whole_millis(at.since(begins))))
            }
        };
        words(text, &format!("  {:>2}  ", struck.fault.number), &format!("{}: {outcome}", struck.text), style);
    }
    if report.faults.iter().all(|struck| struck.hits == 0) {
        push(text, &style.paint(Paint::Bad, "  No fault struck: this seed proves nothing."));
    }
}

/// Which kinds of faults struck over several seeds.
#[must_use]
pub fn coverage_text(coverage: &BTreeMap<Kind, Coverage>) -> String {
    let mut text = String::from("Faults over all seeds: seeds in which one struck, of those that had one\n");
    for (kind, Coverage { drawn, struck }) in coverage {
        let remark = if *struck == 0 { "  NEVER STRUCK" } else { "" };
        push(&mut text, &format!("  {:<24}{struck:>3} of {drawn:>3}{remark}", kind.name()));
    }
    text
}

fn push_verdict(text: &mut String, report: &Report, style: Style) {
    let heading = "Verdict, from the emulator's own API";
    push(text, &format!("\n{}", style.paint(Paint::Strong, heading)));
    for check in &report.checks {
        // Painted at the end: escape sequences have no width.
        let mut claim = String::new();
        words(&mut claim, if check.passed { "  ✓ " } else { "  ✗ " }, &check.claim, style);
        if check.passed {
            text.push_str(&claim.replacen('✓', &style.paint(Paint::Good, "✓"), 1));
        } else {
            push(text, &style.paint(Paint::Bad, claim.trim_end()));
            words(text, "      found: ", &check.found, style);
        }
    }
    push(text, &format!("\n{}", outcome_line(report, style)));
    if let Some(replay) = &report.replay {
        push(text, &format!("        again: {replay}"));
    }
    if !report.passed {
        push(text, &format!("        logs: {}", report.logs.display()));
    }
}

/// The outcome in one line.
fn outcome_line(report: &Report, style: Style) -> String {
    let held = report.checks.iter().filter(|check| check.passed).count();
    let (word, paint) = if report.passed { ("PASSED", Paint::Good) } else { ("FAILED", Paint::Bad) };
    let rest = format!(
        "  {:<18}  {held:>2} of {:>2} checks  {:>8}  seed {}",
        report.scenario,
        report.checks.len(),
        seconds(report.took_ms),
        report.seed
    );
    let figures: Vec<String> = report.runs.iter().filter_map(figures_of).collect();
    let with_figures = format!("{rest}  {}", figures.join(", "));
    let fits = word.len() + with_figures.chars().count() <= style.width;
    format!("{}{}", style.paint(paint, word), if fits { with_figures.trim_end() } else { &rest })
}

fn figures_of(run: &RunReport) -> Option<String> {
    Some(format!("RTO {} RPO {}", seconds(run.rto_ms.reported?), millis(run.rpo_ms.reported?)))
}

/// Several outcomes, one line each.
#[must_use]
pub fn summary(reports: &[Report], style: Style) -> String {
    reports.iter().map(|report| outcome_line(report, style) + "\n").collect()
}

fn push_chart(text: &mut String, timeline: &Timeline, style: Style) {
    let name_columns =
        timeline.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0).clamp(8, NAME_COLUMNS);
    let free = style.width.saturating_sub(INDENT + name_columns + 2 + FIGURES_COLUMNS);
    let columns = free.clamp(*CHART_COLUMNS.start(), *CHART_COLUMNS.end());
    let end = timeline.steps.iter().map(|step| step.start_ms + step.duration_ms).max().unwrap_or(0).max(1);
    let head = format!(
        "  {:<name_columns$}  {}{:>9}{:>9}{:>8}{:>8}",
        "step",
        scale(end, columns),
        "start",
        "took",
        "tries",
        "calls"
    );
    push(text, &style.paint(Paint::Dim, &head));
    for step in &timeline.steps {
        let name = cut(&step.name, name_columns);
        let bar = bar(step.start_ms, step.duration_ms, end, columns);
        let row = format!(
            "  {name:<name_columns$}  {bar}{:>9}{:>9}{:>8}{:>8}",
            seconds(step.start_ms),
            seconds(step.duration_ms),
            step.attempts,
            step.calls_made()
        );
        push(text, &row);
    }
}

/// The axis: both ends, and as many steps between as there is room for.
fn scale(end_ms: u64, columns: usize) -> String {
    let right = seconds(end_ms);
    let mut axis: Vec<char> = vec!['·'; columns];
    for (place, character) in "0 s ".chars().enumerate().take(columns) {
        axis[place] = character;
    }
    let label = format!(" {right}");
    let from = columns.saturating_sub(label.chars().count());
    for (place, character) in label.chars().enumerate() {
        if let Some(cell) = axis.get_mut(from + place) {
            *cell = character;
        }
    }
    axis.into_iter().collect()
}

/// A bar from `start` for `duration`, drawn to an eighth of a column; never so short that it is not seen.
fn bar(start_ms: u64, duration_ms: u64, end_ms: u64, columns: usize) -> String {
    let eighths = |time: u64| usize::try_from(time.saturating_mul(columns as u64 * 8) / end_ms).unwrap_or(usize::MAX);
    // Blocks fill a column from its left, so a bar begins at a whole one.
    let first = (eighths(start_ms) / 8).min(columns.saturating_sub(1));
    let length = eighths(duration_ms).clamp(1, (columns - first) * 8);
    let mut bar = " ".repeat(first);
    bar.extend(std::iter::repeat_n('█', length / 8));
    if length % 8 > 0 {
        bar.push(EIGHTHS[length % 8]);
    }
    let drawn = bar.chars().count();
    bar.push_str(&" ".repeat(columns - drawn));
    bar
}

fn calls_of(step: &Step) -> Vec<String> {
    let calls = step.calls.iter().map(|(action, count)| {
        let parts =
            [(count.failed, "failed"), (count.unanswered, "unanswered"), (count.preceded, "found it done or claimed")];
        let parts = parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}"));
        let parts: Vec<String> = parts.collect();
        let remark = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        let times = if count.made > 1 { format!("{} × ", count.made) } else { String::new() };
        format!("{times}{action}{remark}")
    });
    calls.collect()
}

/// Items in lines of the terminal's width; the first begins with `head`, the others are indented below it.
/// Nothing at all when there is no item.
fn wrapped<'a>(text: &mut String, head: &str, items: impl Iterator<Item = &'a str>, separator: &str, style: Style) {
    let indent = head.chars().count();
    let columns = style.width.saturating_sub(indent).max(MIN_COLUMNS);
    let mut line = head.to_owned();
    let mut used = 0;
    for item in items {
        let length = item.chars().count();
        if used > 0 {
            line.push_str(separator);
            used += separator.len();
            // The separator of an item that follows has to fit too.
            if used + length + separator.trim_end().len() > columns {
                push(text, &line);
                line = " ".repeat(indent);
                used = 0;
            }
        }
        line.push_str(item);
        used += length;
    }
    if used > 0 {
        push(text, &line);
    }
}

fn words(text: &mut String, head: &str, body: &str, style: Style) {
    wrapped(text, head, body.split_whitespace(), " ", style);
}

fn push(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(text, "{}", line.trim_end());
}

fn cut(name: &str, columns: usize) -> String {
    if name.chars().count() <= columns {
        return name.to_owned();
    }
    let mut cut: String = name.chars().take(columns.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn or_none(value: Option<u64>, form: fn(u64) -> String) -> String {
    value.map_or_else(|| "none".to_owned(), form)
}

fn millis(millis: u64) -> String {
    format!("{millis} ms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::hits;
    use crate::chaos::schedule::Schedule;
    use crate::recorded;

    const PLAIN: Style = Style { width: 100, colour: false };

    fn report(passed: bool) -> Report {
        let run = recorded::run();
        let story = vec![
            Note { at: run.begins, text: "eu-central-1 is lost".to_owned() },
            Note { at: run.begins.plus(Duration::from_millis(5_090)), text: "clients are served again".to_owned() },
        ];
        let checks = vec![
            Check { claim: "it moved".to_owned(), passed: true, found: "yes".to_owned() },
            Check { claim: "once".to_owned(), passed, found: "twice".to_owned() },
        ];
        let logs = PathBuf::from("target/drill/runs/1");
        let play = Play { scenario: "region-loss", seed: 42, took: Duration::from_millis(12_340), logs };
        Report::new(play, story, RunReport::all(&recorded::evidence()), checks)
    }

    #[test]
    fn a_report_fits_into_the_terminal() {
        for width in [80, 100, 120, 200] {
            let text = text(&report(false), Style { width, colour: false });
            // An ARN is not broken, so that it can be copied.
            let breakable = |line: &&str| !line.contains("arn:aws:");
            let longest = text.lines().filter(breakable).max_by_key(|line| line.chars().count()).unwrap();
            assert!(longest.chars().count() <= width, "{width}: {longest:?}");
        }
    }

    #[test]
    fn a_report_shows_both_words_on_rto_and_rpo() {
        let text = text(&report(true), PLAIN);
        assert!(text.contains("RTO  6.17 s reported, 5.09 s measured"), "{text}");
        assert!(text.contains("RPO  632 ms reported, 632 ms set by the drill"), "{text}");
        assert!(
            text.lines().any(|line| line.starts_with("PASSED  region-loss ") && line.contains("seed 42")),
            "{text}"
        );
    }

    #[test]
    fn a_failed_check_shows_what_was_found_and_where_the_logs_are() {
        let text = text(&report(false), PLAIN);
        assert!(text.contains("✗ once\n      found: twice"), "{text}");
        assert!(text.contains("FAILED") && text.contains(" 1 of  2 checks"), "{text}");
        assert!(text.contains("logs: target/drill/runs/1"), "{text}");
        assert!(!text.contains("found: yes"), "what was found matters only where it is wrong");
    }

    #[test]
    fn faults_are_shown_with_where_they_struck_and_a_seed_in_which_none_did_says_so() {
        let schedule = Schedule::draw(1);
        let mut report = report(true);
        assert!(!text(&report, PLAIN).contains("Faults"));
        report.faults = hits::struck(&schedule, &recorded::course(), &recorded::evidence());
        for struck in &mut report.faults {
            struck.hits = 0;
        }
        let missed = text(&report, PLAIN);
        assert!(missed.contains("DID NOT STRIKE") && missed.contains("proves nothing"), "{missed}");
        report.faults[0].hits = 3;
        report.faults[0].first_at = Some(report.runs[0].begins.plus(Duration::from_millis(1_500)));
        report.replay = Some("cargo drill --chaos 1".to_owned());
        let struck = text(&report, PLAIN);
        assert!(struck.contains("3×, first at 1.50 s") && !struck.contains("proves nothing"), "{struck}");
        assert!(struck.contains("again: cargo drill --chaos 1"), "{struck}");
    }

    #[test]
    fn kinds_that_never_struck_stand_out() {
        let coverage = BTreeMap::from([
            (Kind::Throttled, Coverage { drawn: 4, struck: 3 }),
            (Kind::Twin, Coverage { drawn: 2, struck: 0 }),
        ]);
        let text = coverage_text(&coverage);
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap();
        assert!(line("throttled").ends_with("3 of   4") && line("twin").ends_with("NEVER STRUCK"), "{text}");
    }

    #[test]
    fn without_colours_there_is_no_escape_sequence() {
        assert!(!text(&report(false), PLAIN).contains('\x1b'));
        assert!(text(&report(false), Style { width: 100, colour: true }).contains("\x1b[1;31m"));
    }

    #[test]
    fn the_report_as_json_has_the_figures_and_the_checks() {
        let json = serde_json::to_value(report(true)).unwrap();
        assert_eq!(json["passed"], true);
        assert_eq!(json["runs"][0]["rto_ms"]["reported"], 6173);
        assert_eq!(json["runs"][0]["rto_ms"]["measured"], 5090);
        assert_eq!(json["runs"][0]["timeline"]["steps"][0]["name"], "trigger");
        assert_eq!(json["checks"][1]["found"], "twice");
    }

    #[test]
    fn a_bar_has_its_place_its_length_and_never_vanishes() {
        assert_eq!(bar(0, 50, 100, 10), "█████     ");
        assert_eq!(bar(50, 50, 100, 10), "     █████");
        assert_eq!(bar(50, 15, 100, 10), "     █▌   ");
        assert_eq!(bar(99, 0, 100, 10), "         ▏");
        assert_eq!(bar(100, 0, 100, 10).chars().count(), 10);
        assert_eq!(bar(0, 100, 100, 10), "██████████");
    }

    #[test]
    fn the_axis_shows_both_ends() {
        assert_eq!(scale(6_173, 20), "0 s ········· 6.17 s");
    }

    #[test]
    fn a_list_is_broken_between_its_items_only() {
        let mut text = String::new();
        let items = ["2 × rds:DescribeDBClusters", "rds:FailoverGlobalCluster"];
        wrapped(&mut text, "  calls  ", items.into_iter(), ", ", Style { width: 40, colour: false });
        assert_eq!(text, "  calls  2 × rds:DescribeDBClusters,\n         rds:FailoverGlobalCluster\n");
    }

    #[test]
    fn long_text_is_wrapped_below_its_head() {
        let mut text = String::new();
        words(&mut text, "    found: ", "one two three four five six", Style { width: 31, colour: false });
        assert_eq!(text, "    found: one two three four\n           five six\n");
    }
}
