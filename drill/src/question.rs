//! The question that a run asks people: its message holds the commands to answer with (X3).

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// How each answer's command begins.
const COMMAND: [&str; 3] = ["aws", "stepfunctions", "send-task-success"];

/// The answers that a message offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Yes.
    pub approve: Answer,
    /// No.
    pub decline: Answer,
}

/// One of them, as its command has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `--region`
    pub region: String,
    /// `--task-output`, JSON.
    pub output: String,
    /// `--task-token`
    pub task_token: String,
}

impl Question {
    /// Reads the message's commands, as a person would copy them.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it does not hold them, exactly.
    pub fn parse(message: &str) -> Result<Self> {
        let answer = |heading| {
            answer_below(message, heading)
                .ok_or_else(|| Error::Unexpected(format!("a question without a command below {heading:?}: {message}")))
        };
        Ok(Self { approve: answer("To approve:")?, decline: answer("To decline:")? })
    }
}

fn answer_below(message: &str, heading: &str) -> Option<Answer> {
    let mut lines = message.lines().skip_while(|line| *line != heading);
    let words = words(lines.nth(1)?);
    let options = words.strip_prefix(COMMAND.map(str::to_owned).as_slice())?;
    let mut options: BTreeMap<&str, &String> =
        options.chunks_exact(2).map(|option| (option[0].as_str(), &option[1])).collect();
    let mut option = |name: &str| options.remove(name).cloned();
    let answer = Answer {
        region: option("--region")?,
        output: option("--task-output")?,
        task_token: option("--task-token").filter(|token| !token.is_empty())?,
    };
    options.is_empty().then_some(answer)
}

/// A command's words, as a shell takes them apart: by spaces, but not within single quotes.
fn words(command: &str) -> Vec<String> {
    let parts = command.split('\'').enumerate();
    let words = parts.flat_map(|(index, part)| {
        let quoted = index % 2 == 1;
        if quoted { vec![part] } else { part.split_whitespace().collect() }
    });
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "Why: it lags.\n\nTo approve:\naws stepfunctions send-task-success --region eu-west-1 \
        --task-output '{\"approved\": true}' --task-token t-1\n\nTo decline:\naws stepfunctions send-task-success \
        --region eu-west-1 --task-output '{\"approved\":false}' --task-token t-1\n\nNot to be asked again:\n";

    #[test]
    fn both_answers_are_read_as_a_shell_would_read_them() {
        let question = Question::parse(MESSAGE).unwrap();
        assert_eq!(question.approve.output, "{\"approved\": true}");
        assert_eq!(question.decline.output, "{\"approved\":false}");
        assert_eq!((question.approve.region.as_str(), question.approve.task_token.as_str()), ("eu-west-1", "t-1"));
    }

    #[test]
    fn a_message_whose_command_would_not_work_is_no_question() {
        assert!(Question::parse("nothing to answer").is_err());
        assert!(Question::parse(&MESSAGE.replace("send-task-success", "send-task-heartbeat")).is_err());
        assert!(Question::parse(&MESSAGE.replace("--task-token t-1", "--task-token")).is_err());
        assert!(Question::parse(&MESSAGE.replace("--region eu-west-1", "--profile x")).is_err());
        assert!(Question::parse(&MESSAGE.replace(" --task-token", " --strange x --task-token")).is_err());
    }
}
