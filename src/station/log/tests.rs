//! Files of a station's log: which there are, which are ours, and what a full disk does.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Instant;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::file::Writer;
use super::*;
use crate::caps::{LOG_FILE_LIMIT, LOG_FOLDER_LIMIT};
use crate::stop::stop_pair;
use crate::supervisor::Worker;
use crate::wire::event_log::RECORD_LEN;

/// A log in `folder` whose worker is run by hand.
fn log(folder: &Path) -> (Log, Writer) {
    let log = Log::new(None, Some(folder));
    (log.clone(), Writer::new(log, Folder::at(folder)))
}

/// A whole session with one event of its own.
fn session(folder: &Path, parameter: u32) {
    let (log, mut writer) = log(folder);
    log.note(Event::User9, parameter);
    end(&mut writer);
}

/// The worker runs into a stop that is there already.
fn end(writer: &mut Writer) {
    let (stopper, stop) = stop_pair();
    stopper.stop();
    writer.run_once(&stop).unwrap();
}

fn records(path: &Path) -> Vec<(u32, u32)> {
    let bytes = fs::read(path).unwrap();
    let (records, rest) = bytes.as_chunks::<RECORD_LEN>();
    assert!(rest.is_empty());
    records.iter().map(Record::decode).map(|record| (record.event, record.parameter)).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}

fn own(folder: &Path) -> Vec<u16> {
    Folder::at(folder).own().iter().map(|own| own.number).collect()
}

#[test]
fn a_file_begins_as_the_original_s_and_is_the_first_that_is_free() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("deep/logs");
    session(&folder, 7);
    session(&folder, 8);
    assert_eq!(names(&folder), ["0000.log", "0001.log"]);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let times: Vec<u64> = fs::read(folder.join("0001.log"))
        .unwrap()
        .as_chunks()
        .0
        .iter()
        .map(|bytes| Record::decode(bytes).timestamp_us)
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let records = records(&folder.join("0001.log"));
    let events: Vec<u32> = records.iter().map(|(event, _)| *event).collect();
    assert_eq!(events, [3, 10, 52, 42, 51, 12, 4]);
    assert_eq!((records[0].1, records[3].1, records[4].1), (0, 0x2ca0_0001, 8));
    assert!(records[2].1 > 1_700_000_000, "the second of the start");
}

#[test]
fn a_station_with_a_key_says_in_every_file_whose_it_is() {
    let place = tempfile::tempdir().unwrap();
    let log = Log::new(Some(0x1234_5678), Some(place.path()));
    let mut writer = Writer::new(log.clone(), Folder::at(place.path()));
    log.note(Event::User9, 1);
    writer.flush().unwrap();
    fs::remove_file(place.path().join("0000.log")).unwrap();
    log.note(Event::User9, 2);
    end(&mut writer);
    let records = records(&place.path().join("0000.log"));
    assert_eq!(records[3..6], [(42, 0x2ca0_0000), (44, 0x1234_5678), (51, 2)]);
}

#[test]
fn only_closed_files_with_our_own_mark_are_ours() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    session(folder, 1);
    let ours = fs::read(folder.join("0000.log")).unwrap();
    // The original's, an empty one, a copy, a longer name, a folder, a link, and one with two names.
    let original = [3u32, 10, 52, 1].map(|event| Record { timestamp_us: 1, event, parameter: 0 });
    let original: Vec<u8> = original.iter().flat_map(|record| record.encode()).collect();
    fs::write(folder.join("0001.log"), original).unwrap();
    fs::write(folder.join("0002.log"), b"").unwrap();
    fs::write(folder.join("0003.log"), &ours).unwrap();
    fs::write(folder.join("00000.log"), &ours).unwrap();
    fs::create_dir(folder.join("0004.log")).unwrap();
    symlink("0000.log", folder.join("0005.log")).unwrap();
    nix::unistd::mkfifo(&folder.join("0006.log"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(own(folder), [0]);
    let (_log, mut writer) = log(folder);
    writer.flush().unwrap();
    assert_eq!(own(folder), [0], "what is written to is nobody's to take");
    end(&mut writer);
    assert_eq!(own(folder), [0, 7]);
    fs::hard_link(folder.join("0000.log"), folder.join("kept")).unwrap();
    assert_eq!(own(folder), [7], "somebody keeps it");
}

#[test]
fn many_starts_whose_logs_nobody_takes_go_on_in_the_newest_while_it_is_small() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    (0..16).for_each(|parameter| session(folder, parameter));
    assert_eq!(names(folder).len(), 16, "a file each");
    let newest = *own(folder).last().unwrap();
    let newest = folder.join(format!("{newest:04}.log"));
    let before = records(&newest);
    // A power cut left part of a record.
    let mut torn = fs::File::options().append(true).open(&newest).unwrap();
    std::io::Write::write_all(&mut torn, &[1; 5]).unwrap();

    let (log, mut writer) = log(folder);
    log.note(Event::User9, 77);
    writer.flush().unwrap();
    assert_eq!(own(folder).len(), 15, "it is in use");
    end(&mut writer);
    assert_eq!(names(folder).len(), 16);
    let after = records(&newest);
    assert_eq!(after[..before.len()], before, "what was there stays");
    let events: Vec<u32> = after[before.len()..].iter().map(|(event, _)| *event).collect();
    assert_eq!(events, [3, 10, 52, 42, 51, 12, 4], "a start is seen as a start");
    assert_eq!(own(folder).len(), 16, "still ours");

    fs::File::options().write(true).open(&newest).unwrap().set_len(1 << 20).unwrap();
    session(folder, 78);
    assert_eq!(names(folder).len(), 17, "a large one is left as it is");
}

#[test]
fn looking_at_the_files_keeps_none_of_them_open() {
    let place = tempfile::tempdir().unwrap();
    (0..3).for_each(|parameter| session(place.path(), parameter));
    let found = Folder::at(place.path()).own();
    let open = fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
        let target = fs::read_link(entry.as_ref().unwrap().path());
        target.is_ok_and(|target| target.starts_with(place.path()))
    });
    assert_eq!((found.len(), open.count()), (3, 0));
}

#[test]
fn who_needs_room_waits_for_who_looks_at_the_files() {
    let place = tempfile::tempdir().unwrap();
    session(place.path(), 1);
    let folder = Folder::at(place.path());
    let turn = folder.turn();
    let looked_at = folder.claim(0).unwrap();
    let (said, heard) = std::sync::mpsc::channel();
    let other = folder.clone();
    let thread =
        std::thread::Builder::new().spawn(move || said.send(other.remove_oldest()).unwrap());
    assert!(heard.recv_timeout(Duration::from_millis(200)).is_err(), "it waits");
    drop((looked_at, turn));
    assert!(heard.recv().unwrap(), "there is one to remove");
    thread.unwrap().join().unwrap();
    assert!(names(place.path()).is_empty());
}

#[test]
fn a_full_file_is_followed_by_the_next_and_is_there_to_upload() {
    let place = tempfile::tempdir().unwrap();
    let (log, mut writer) = log(place.path());
    let records = u32::try_from(LOG_FILE_LIMIT / RECORD_LEN as u64).unwrap();
    for number in 0..records {
        log.note(Event::SendSeq, number);
        if number % 4000 == 0 {
            writer.flush().unwrap();
        }
    }
    writer.flush().unwrap();
    assert_eq!(own(place.path()), [0]);
    assert!(log.0.news.try_receive().is_some());
    log.note(Event::User9, 5);
    end(&mut writer);
    assert_eq!(own(place.path()), [0, 1]);
    assert_eq!(log.counters().lost, 0);
    assert_eq!(log.counters().written, u64::from(records) + 3);
}

#[test]
fn with_a_thousand_names_taken_the_oldest_of_ours_goes_and_nobody_else_s() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    session(folder, 1);
    session(folder, 2);
    for number in 2..1000 {
        fs::write(folder.join(format!("{number:04}.log")), b"somebody's").unwrap();
    }
    let old = std::time::SystemTime::now() - Duration::from_secs(1000);
    fs::File::options()
        .write(true)
        .open(folder.join("0001.log"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let (first, mut writer) = log(folder);
    first.note(Event::User9, 3);
    writer.flush().unwrap();
    assert_eq!(first.counters().removed, 1);
    assert_eq!(records(&folder.join("0001.log"))[4], (51, 3));
    assert_eq!(records(&folder.join("0000.log"))[4], (51, 1));

    fs::write(folder.join("0000.log"), b"somebody's").unwrap();
    let (_, mut second) = log(folder);
    let refusal = second.flush().unwrap_err().to_string();
    assert!(refusal.contains("full"), "{refusal}");
    assert_eq!(names(folder).len(), 1000);
}

#[test]
fn files_of_ours_together_have_a_limit() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    for parameter in 0..3 {
        session(folder, parameter);
        // Sparse: only the length counts.
        let name = folder.join(format!("000{parameter}.log"));
        let file = fs::File::options().write(true).open(name).unwrap();
        file.set_len(LOG_FOLDER_LIMIT / 3).unwrap();
        let then = std::time::SystemTime::now() - Duration::from_secs(100 - u64::from(parameter));
        file.set_modified(then).unwrap();
    }
    let (log, mut writer) = log(folder);
    log.note(Event::User9, 3);
    writer.flush().unwrap();
    assert_eq!(log.counters().removed, 1);
    assert_eq!(records(&folder.join("0000.log"))[4], (51, 3), "its name is free again");
}

#[test]
fn what_no_disk_takes_waits_and_is_counted_when_it_waited_too_long() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("logs");
    fs::write(&folder, b"no folder").unwrap();
    let (log, mut writer) = log(&folder);
    assert!(writer.flush().is_err());
    let some = u32::try_from(LOG_QUEUED).unwrap() + 10;
    (0..some).for_each(|number| log.note(Event::SendSeq, number));
    assert_eq!(log.counters().lost, 10);
    fs::remove_file(&folder).unwrap();
    writer.flush().unwrap();
    let records = records(&folder.join("0000.log"));
    assert_eq!(records[4..6], [(43, 10), (102, 10)]);
    assert_eq!(log.counters().lost, 10);
}

#[test]
fn a_file_that_somebody_deletes_is_followed_by_another() {
    let place = tempfile::tempdir().unwrap();
    let (log, mut writer) = log(place.path());
    writer.flush().unwrap();
    fs::remove_file(place.path().join("0000.log")).unwrap();
    log.note(Event::User9, 4);
    end(&mut writer);
    assert_eq!(records(&place.path().join("0000.log"))[4], (51, 4));
}

#[test]
fn on_a_full_disk_the_oldest_of_ours_makes_room_and_then_records_wait() {
    let place = tempfile::tempdir().unwrap();
    // A mount that only this thread sees.
    let disk = place.path().to_owned();
    let test = std::thread::Builder::new().spawn(move || {
        let private = unshare(CloneFlags::CLONE_NEWNS).and_then(|()| {
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        });
        if let Err(e) = private {
            return eprintln!("SKIPPED: a mount of its own needs root ({e})");
        }
        mount(Some("none"), &disk, Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
        session(&disk, 1);
        let stranger = disk.join("9999.log");
        // What is left: one page, which the new file's beginning takes.
        fs::write(&stranger, [0; 14 * 4096]).unwrap();
        let (log, mut writer) = log(&disk);
        let fill = |count| (0..count).for_each(|number| log.note(Event::SendSeq, number));
        fill(10);
        writer.flush().unwrap();
        assert_eq!(log.counters().removed, 0);
        fill(250);
        writer.flush().unwrap();
        assert_eq!(log.counters().removed, 1, "the first session's page was needed");
        fill(300);
        assert!(writer.flush().is_err(), "and now there is nothing to remove");
        assert!(!disk.join("0000.log").exists() && stranger.exists());
        assert_eq!(records(&disk.join("0001.log")).len(), 4 + 260, "whole records");
        fs::remove_file(stranger).unwrap();
        end(&mut writer);
        assert_eq!(records(&disk.join("0001.log")).len(), 4 + 560 + 2);
        assert_eq!(log.counters().lost, 0);
    });
    if let Err(panic) = test.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_note_is_in_the_file_soon_and_the_last_one_at_the_stop() {
    let place = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::new();
    let log = Log::open(Some(place.path()), &mut supervisor).unwrap();
    log.note(Event::User9, 1);
    let patience = Instant::now() + Duration::from_secs(60);
    while log.counters().written < 1 {
        assert!(Instant::now() < patience);
        std::thread::sleep(Duration::from_millis(20));
    }
    log.note(Event::User9, 2);
    supervisor.stop();
    let records = records(&place.path().join("0000.log"));
    assert_eq!(records[4..], [(51, 1), (51, 2), (12, 0), (4, 0)]);
}

#[test]
fn what_comes_again_within_ten_minutes_is_no_news_to_the_journal() {
    let log = Log::new(None, None);
    let at = |second: u64| Time::from_micros(second * 1_000_000);
    // A server that is away for a day, and then for another moment.
    let day = (0..86_400).step_by(8).chain([86_992, 87_591, 88_191]);
    let news: Vec<u64> =
        day.filter(|second| log.is_news(Event::SocketConnectFailure, at(*second))).collect();
    assert_eq!(news, [0, 86_992, 88_191]);
    assert!(log.is_news(Event::PcmOverrun, at(1)), "each by itself");
}

#[test]
fn without_a_folder_there_is_the_journal_alone() {
    let mut supervisor = Supervisor::new();
    let log = Log::open(None, &mut supervisor).unwrap();
    log.note(Event::AudioServerConnected, 0);
    log.upload_to("nobody:1", direct("localhost:1".parse().unwrap()), &mut supervisor).unwrap();
    assert_eq!(log.counters(), Counters::default());
}
