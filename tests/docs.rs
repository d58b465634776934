//! The documents tell the truth: every TOML in them is a configuration, and every `twocan` command
//! line in them is one that the program understands.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use twocan::cli::Cli;
use twocan::config::Config;

/// A fenced block: its file and first line, its language, its text.
struct Block {
    place: String,
    language: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files of `folder` (from the root) that end in `extension`, not below it.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

fn documents() -> Vec<PathBuf> {
    [files("", "md"), files("docs", "md"), files("kiosk", "md"), files("kiosk/boot", "md")].concat()
}

fn blocks(place: &str, document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in document.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                let (place, language) =
                    (format!("{place}:{}", number + 1), language.trim().to_owned());
                open = Some(Block { place, language, text: String::new() });
            }
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{place}: a block is not closed");
    blocks
}

fn all_blocks() -> Vec<Block> {
    let read =
        |path: &PathBuf| blocks(&path.display().to_string(), &fs::read_to_string(path).unwrap());
    documents().iter().flat_map(read).collect()
}

/// The words of each `twocan …` command in a script, as a shell would split them.
fn commands(script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let mut commands = Vec::new();
    for line in script.lines() {
        let line = line.trim().trim_start_matches("$ ");
        let words = split(line);
        for command in words.split(|word| ["|", "&&", "||", ";", "&"].contains(&word.as_str())) {
            let settings =
                command.iter().take_while(|word| word.contains('=') && !word.contains('/'));
            let command = without_sudo(&command[settings.count()..]);
            let program = command.first().map(|word| word.rsplit('/').next().unwrap_or(word));
            if program == Some("twocan") {
                let end =
                    command.iter().position(|word| word.starts_with('>') || word.starts_with("2>"));
                commands.push(command[..end.unwrap_or(command.len())].to_vec());
            }
        }
    }
    commands
}

/// `sudo -u USER command` is the command.
fn without_sudo(command: &[String]) -> &[String] {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["sudo", "-u", _, ..] => &command[3..],
        ["sudo", ..] => &command[1..],
        _ => command,
    }
}

fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (None, '#') if word.is_none() => break,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, ';') => {
                words.extend(word.take());
                words.push(";".to_owned());
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn refusal(command: &[String]) -> Option<String> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    let error = Cli::try_parse_from(command).err()?;
    (!matches!(error.kind(), DisplayHelp | DisplayVersion)).then(|| error.to_string())
}

#[test]
fn every_toml_block_and_every_example_file_is_a_configuration() {
    for block in all_blocks().into_iter().filter(|block| block.language == "toml") {
        Config::parse(&block.place, block.text.as_bytes()).unwrap();
    }
    let examples = [files("kiosk", "toml"), files("kiosk/station", "toml")].concat();
    assert_eq!(examples.len(), 2);
    for example in examples {
        Config::load(Some(&example)).unwrap();
    }
}

#[test]
fn every_command_line_is_understood() {
    let scripts = ["sh", "bash", "console", "shell"];
    for block in all_blocks().iter().filter(|block| scripts.contains(&block.language.as_str())) {
        for command in commands(&block.text) {
            if let Some(refusal) = refusal(&command) {
                panic!("{}: {command:?}\n{refusal}", block.place);
            }
        }
    }
}

#[test]
fn the_documents_say_nothing_they_should_not() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        assert!(!text.contains("TODO"), "{} is unfinished", document.display());
    }
}

#[test]
fn the_checks_would_notice() {
    let document = "a\n```toml\n[kiosk]\ncolour = 1\n```\n```sh\ntwocan frobnicate\n```\n";
    let found = blocks("x.md", document);
    assert_eq!((found[0].place.as_str(), found[1].language.as_str()), ("x.md:2", "sh"));
    assert!(Config::parse("x", found[0].text.as_bytes()).is_err());
    assert!(refusal(&commands(&found[1].text)[0]).is_some());

    let script = "$ A=1 ./target/release/twocan identity --json | jq . # twocan comment\n\
                  cd x && sudo -u twocan twocan contact add 'Anna B' \\\n  --key \"ssh-ed25519 A\" > file\nls twocan";
    let expected: [&[&str]; 2] = [
        &["./target/release/twocan", "identity", "--json"],
        &["twocan", "contact", "add", "Anna B", "--key", "ssh-ed25519 A"],
    ];
    assert_eq!(commands(script), expected);
    assert_eq!(refusal(&commands(script)[0]), None);
    assert!(refusal(&commands(script)[1]).is_some_and(|text| text.contains("public key")));
}
