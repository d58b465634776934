//! `twocan generate`: what a package ships beside the program, made from the command line itself so
//! that it never says something else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

/// `twocan generate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manual pages, or completions for bash, zsh and fish
    #[arg(value_enum)]
    pub what: What,
    /// Where to; made when it is not there
    pub folder: PathBuf,
}

/// What can be generated.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum What {
    /// `twocan.1` and one page for each subcommand.
    Man,
    /// `twocan.bash`, `_twocan`, `twocan.fish`.
    Completions,
}

/// Write the files.
///
/// # Errors
/// The folder can't be written to.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = args.folder.as_path();
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let wrote = match args.what {
        What::Man => clap_mangen::generate_to(Cli::command(), folder),
        What::Completions => completions(folder),
    };
    wrote.with_context(|| format!("write to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn completions(folder: &Path) -> std::io::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "twocan", folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_subcommand_has_its_page_and_every_shell_its_completions() {
        let folder = tempfile::tempdir().unwrap();
        for what in [What::Man, What::Completions] {
            run(&Args { what, folder: folder.path().join("new") }).unwrap();
        }
        let read = |file: &str| std::fs::read_to_string(folder.path().join("new").join(file));
        assert!(read("twocan.1").unwrap().contains("SUBCOMMANDS"));
        assert!(read("twocan-doctor.1").unwrap().contains("json"));
        assert!(read("twocan-generate.1").is_err(), "hidden ones have none");
        for completion in ["twocan.bash", "_twocan", "twocan.fish"] {
            assert!(read(completion).unwrap().contains("doctor"), "{completion}");
        }
    }
}
