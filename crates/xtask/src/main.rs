//! Regenerates what is derived from other files, or says what is stale. Not shipped.

mod schema;
mod statements;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use postgres_local::{Cluster, ClusterSpec, Lifetime};

#[derive(Debug, Parser)]
#[command(about = "Project chores that are not shipped")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Writes the statements' typed functions, schema.sql and docs/schema.md anew
    Regenerate {
        /// Change nothing; fail when a file is stale
        #[arg(long)]
        check: bool,
    },
}

/// A file that is derived, with the text it must have.
struct Derived {
    path: PathBuf,
    text: String,
}

fn main() -> Result<()> {
    let Chore::Regenerate { check } = Arguments::parse().chore;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?;
    let files = derive(&root)?;
    if check {
        return report_stale(&root, &files);
    }
    for Derived { path, text } in files {
        let target = root.join(&path);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&target, text).with_context(|| format!("writing {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn report_stale(root: &Path, files: &[Derived]) -> Result<()> {
    let stale: Vec<String> = files
        .iter()
        .filter(|file| {
            std::fs::read_to_string(root.join(&file.path)).ok().as_ref() != Some(&file.text)
        })
        .map(|file| file.path.display().to_string())
        .collect();
    if stale.is_empty() {
        println!("{} derived files are current", files.len());
        return Ok(());
    }
    bail!("stale: {}; run `make regenerate`", stale.join(", "))
}

/// Everything derived from migrations and queries, computed on a private PostgreSQL.
fn derive(root: &Path) -> Result<Vec<Derived>> {
    let scratch = tempfile::tempdir()?;
    let cluster = Cluster::open(&ClusterSpec {
        folder: scratch.path().join("postgres"),
        lifetime: Lifetime::Scratch,
        settings: vec![("fsync".into(), "off".into())],
        programs: None,
    })?;
    let url = cluster.superuser_url("postgres");
    schema::migrate(root, &url)?;
    let mut files = statements::generate(root, &url, scratch.path())?;
    files.extend(schema::describe(root, &cluster)?);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_files_are_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = derive(&root).unwrap();
        report_stale(&root, &files).unwrap();
    }
}
