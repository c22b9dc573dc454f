//! The templates as they are written, for what only people read: comments.

use std::path::PathBuf;

use crate::project_root;

/// The templates of the modules and of the workloads, and their paths in the project.
///
/// # Errors
/// A folder that cannot be read.
pub fn template_files() -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for folder in ["infra/modules", "infra/workloads"] {
        let path = project_root().join(folder);
        let entries = std::fs::read_dir(&path).map_err(|error| format!("{folder}: {error}"))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("{folder}: {error}"))?.path();
            if entry.extension().is_some_and(|extension| extension == "yaml") {
                files.push(entry);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A resource of a template with its text, the comments above it and within it included.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its logical identifier.
    pub name: String,
    /// Its lines.
    pub lines: Vec<String>,
}

/// The resources of a template with their text.
///
/// # Errors
/// The file cannot be read.
pub fn resources_with_their_text(file: &std::path::Path) -> Result<Vec<Named>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut found: Vec<Named> = Vec::new();
    let mut comments = Vec::new();
    let section = text.lines().skip_while(|line| *line != "Resources:").skip(1);
    for line in section.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        let outermost = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
        let outermost = outermost.map(|rest| rest.split(" #").next().unwrap_or(rest).trim_end());
        match outermost {
            Some(comment) if comment.starts_with('#') => comments.push(line.to_owned()),
            Some(heading) if heading.ends_with(':') => {
                let lines = std::mem::take(&mut comments);
                found.push(Named { name: heading.trim_end_matches(':').to_owned(), lines });
            }
            _ => {}
        }
        if let Some(last) = found.last_mut()
            && comments.is_empty()
        {
            last.lines.push(line.to_owned());
        }
    }
    Ok(found)
}
