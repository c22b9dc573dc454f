//! Code blocks of the documentation, so that tests can run and parse what readers will copy.

use std::path::{Path, PathBuf};

use crate::project_root;

/// How a fence begins and ends.
const FENCE: &str = "```";

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The first word behind the fence; empty when there is none.
    pub language: String,
    /// The words behind it.
    pub marks: Vec<String>,
    /// What stands in it, without the fence's own indentation.
    pub text: String,
    /// The line of its fence in the file, from 1.
    pub line: usize,
}

impl Block {
    /// Whether this word stands behind its language.
    #[must_use]
    pub fn is_marked(&self, mark: &str) -> bool {
        self.marks.iter().any(|own| own == mark)
    }
}

/// The blocks of a text, in their order.
#[must_use]
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<usize> = None;
    for (line, number) in markdown.lines().zip(1..) {
        let indentation = line.len() - line.trim_start().len();
        let fence = line.trim_start().strip_prefix(FENCE);
        match (fence, open, blocks.last_mut()) {
            (Some(_), Some(_), _) => open = None,
            (Some(words), None, _) => {
                let mut words = words.split_whitespace().map(str::to_owned);
                let (language, marks) = (words.next().unwrap_or_default(), words.by_ref().collect());
                blocks.push(Block { language, marks, text: String::new(), line: number });
                open = Some(indentation);
            }
            (None, Some(fence), Some(block)) => {
                block.text.push_str(line.get(fence.min(indentation)..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, _, _) => {}
        }
    }
    blocks
}

/// The Markdown files of a folder of the project, by path, not of the folders in it.
///
/// # Errors
/// When the folder cannot be read.
pub fn files(folder: &str) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(project_root().join(folder))?;
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    Ok(files)
}

/// The targets of the links in a text that lead to files of the project, without the part behind `#`.
#[must_use]
pub fn links(markdown: &str) -> Vec<String> {
    let targets = markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://")).filter_map(|target| target.split('#').next());
    files.filter(|target| !target.is_empty()).map(str::to_owned).collect()
}

/// A file's path within the project.
#[must_use]
pub fn short_path(path: &Path) -> String {
    path.strip_prefix(project_root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_its_language_its_marks_and_its_text() {
        let found =
            blocks("text\n```sh no-local\na\n\n  b\n```\n1. x\n   ```json\n   {\n     \"a\": 1\n   }\n   ```\n");
        assert_eq!(found.len(), 2);
        assert!(found[0].language == "sh" && found[0].is_marked("no-local") && !found[0].is_marked("sh"));
        assert_eq!((found[0].text.as_str(), found[0].line), ("a\n\n  b\n", 2));
        assert_eq!(found[1].text, "{\n  \"a\": 1\n}\n", "indented with its list");
    }

    #[test]
    fn links_to_files_are_found_and_those_to_the_web_are_not() {
        assert_eq!(links("[a](b.md#c) and [d](https://e.example) and [f](#g) ([h](../i.json))"), ["b.md", "../i.json"]);
    }
}
