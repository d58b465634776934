//! The configuration: its defaults, its example, and what it says about mistakes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use twocan::config::{CameraSource, Config, ConfigError, HearSource, ScreenKind, StationWay};

const EXAMPLE: &str = include_str!("../kiosk/twocan.toml");

/// The example with the lines behind `hashes` hashes made real.
fn uncommented(hashes: &str) -> String {
    let real = |line: &str| match line.strip_prefix(hashes) {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(|line| real(line) + "\n").collect()
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse("twocan.toml", text.as_bytes())
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(parse(text).unwrap_err().to_string(), expected);
}

#[test]
fn the_example_as_it_is_and_with_every_default_made_real_is_the_default() {
    assert_eq!(parse(EXAMPLE).unwrap(), Config::default());
    let real = uncommented("#");
    assert_ne!(real, EXAMPLE);
    assert_eq!(parse(&real).unwrap(), Config::default());
    assert_eq!(Config::load(None).unwrap(), Config::default());
}

#[test]
fn every_key_of_every_section_stands_in_the_example() {
    let real = uncommented("#").replace("\n##", "\n");
    let config = parse(&real).unwrap();
    assert!(config.relay.is_some() && config.door.is_some());
    assert!(config.station.is_some() && config.station_server.is_some());
    assert_eq!(config.listen.len(), 1);
    let all: toml::Table = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
    let shown: toml::Table = toml::from_str(&real).unwrap();
    assert_eq!(all, shown, "what the program knows and what the example shows");
}

#[test]
fn a_whole_configuration_is_understood() {
    let config = parse(
        "kiosk.name = ' Oma\u{202e} '\nkiosk.screen = 'headless'\n[camera]\nsource = '/dev/video2'\nfps = 15\n\
         [relay]\nhost = '::1'\nuser = 'kiosk-a'\nhost_key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKY85C8pt/4DyxBux8o8q4/JdkryLChW7h8WcnOM24n a comment'\n\
         [door]\nlisten = '[::1]:0'\n",
    )
    .unwrap();
    assert_eq!(config.kiosk.name.as_str(), "Oma");
    assert_eq!(config.kiosk.screen, ScreenKind::Headless);
    assert_eq!(config.camera.source, CameraSource::Path("/dev/video2".into()));
    assert_eq!(config.camera.fps.get(), 15);
    let relay = config.relay.unwrap();
    assert_eq!((relay.host.as_str(), relay.port.get()), ("::1", 22));
    assert!(relay.host_key.unwrap().0.to_openssh().unwrap().ends_with("M24n"));
    assert!(config.door.unwrap().listen.0.is_ipv6());
}

#[test]
fn an_unknown_key_is_refused_with_file_line_section_and_what_there_is() {
    refused(
        "[kiosk]\nname = 'Anna'\n\ncolour = 'red'\n",
        "twocan.toml:4: unknown key `colour` in [kiosk]; expected one of name, screen, size, auto_answer, helper",
    );
    refused(
        "[microphone]\ngain = 3",
        "twocan.toml:2: unknown key `gain` in [microphone]; expected device",
    );
    refused(
        "[speaker]\nvolume = 3\n[kiosks]\nname = 'x'\n",
        "twocan.toml:3: unknown section [kiosks]; expected one of kiosk, display, camera, microphone, speaker, call, network, relay, door, station, station_server, listen",
    );
    refused(
        "door = { listen = '127.0.0.1:0', lock = true }",
        "twocan.toml:1: unknown key `lock` in [door]; expected listen",
    );
}

#[test]
fn a_host_key_that_our_side_cannot_check_is_refused_in_words() {
    let relay = |key: &str| format!("[relay]\nhost = 'h'\nuser = 'u'\nhost_key = '{key}'\n");
    let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCA6PjB4E6WZhZfDnrnEOxtEBOdimAAkwfd7kjdyy0PuSKWSLUvDmKKVRQ15+7OnBZiSme5jZynMep9dhPKRwU0=";
    assert!(parse(&relay(ecdsa)).is_ok());
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDMt2HI7V235u2uLDRvLFKlueDlWw7S/80dZSSDX6mttYmvBWZwmv0oLl8JyMr2kROxuURsgM3qDP2Oo7HfWgvyjgI+syeEGFDUBb/B2Az1l9ThmXlw4USoLLOCeWO1ZUBD7vy+EQc2FIwTSoZ9DAtspFfxyzR8Xn+j2wDfLS7wpQ==";
    let error = parse(&relay(rsa)).unwrap_err().to_string();
    assert!(error.contains("expected a public key of the kind ssh-ed25519 or ecdsa"), "{error}");
    assert!(error.contains("not ssh-rsa"), "{error}");
}

#[test]
fn what_there_is_to_listen_to_is_a_playlist_or_a_contacts_station() {
    let config = parse(
        "[[listen]]\nname = 'Garden'\nsource = 'http://house:8080/live.m3u8'\n\
         [[listen]]\nname = 'Barn'\nsource = 'twocan:The mill/barn'\n",
    )
    .unwrap();
    assert_eq!(config.listen[0].source, HearSource::Playlist("http://house:8080/live.m3u8".into()));
    let barn = HearSource::Station { contact: "The mill".into(), station: "barn".into() };
    assert_eq!((config.listen[1].name.as_str(), &config.listen[1].source), ("Barn", &barn));
    refused(
        "[[listen]]\nname = 'Garden'\nsource = 'https://house/live.m3u8'\n",
        "twocan.toml:3: `source` in [listen] is \"https://house/live.m3u8\"; expected the address of a playlist such as \"http://192.0.2.7:8080/garden/live.m3u8\", or \"twocan:CONTACT/STATION\"",
    );
    refused(
        "[[listen]]\nname = 'Garden'\nsource = 'twocan:x/y'\n[[listen]]\nname = 'x'\nloud = 3\n",
        "twocan.toml:6: unknown key `loud` in [listen]; expected name, source",
    );
    for source in
        ["twocan:barn", "twocan:/barn", "twocan:mill/", "http://", "http:///x", "http://a b/"]
    {
        let text = format!("[[listen]]\nname = 'x'\nsource = '{source}'");
        assert!(parse(&text).is_err(), "{source}");
    }
}

#[test]
fn the_relays_folder_is_a_path_from_its_root() {
    let relay = |folder: &str| {
        format!(
            "[relay]\nhost = 'h'\nuser = 'u'\nfolder = '{folder}'\nhost_key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKY85C8pt/4DyxBux8o8q4/JdkryLChW7h8WcnOM24n'\n"
        )
    };
    let folder = parse(&relay("/srv/twocan")).unwrap().relay.unwrap().folder;
    assert_eq!(folder.unwrap().as_str(), "/srv/twocan");
    let error = parse(&relay("srv/twocan")).unwrap_err().to_string();
    assert!(error.contains("expected a path from the root"), "{error}");
}

#[test]
fn a_wrong_value_is_refused_with_what_was_expected() {
    refused(
        "[camera]\n\nfps = 90",
        "twocan.toml:3: `fps` in [camera] is 90; expected a number of frames per second, 1 to 60",
    );
    refused(
        "[camera]\nfps = 'fast'",
        "twocan.toml:2: `fps` in [camera] is \"fast\"; expected a number of frames per second, 1 to 60",
    );
    refused(
        "camera.size = '641x480'",
        "twocan.toml:1: `size` in [camera] is \"641x480\"; expected a size in pixels such as \"640x480\", even numbers, 64x48 to 1280x720",
    );
    refused(
        "[camera]\nrotate = 45",
        "twocan.toml:2: `rotate` in [camera] is 45; expected a number of degrees: 0, 90, 180 or 270",
    );
    refused(
        "[camera]\nexposure = 0",
        "twocan.toml:2: `exposure` in [camera] is 0; expected \"auto\" or a number of 100 µs, 1 to 10000",
    );
    refused(
        "[camera]\nwhite_balance = 'warm'",
        "twocan.toml:2: `white_balance` in [camera] is \"warm\"; expected \"auto\" or a number of kelvin, 2000 to 10000",
    );
    refused(
        "[kiosk]\nscreen = 'big'",
        "twocan.toml:2: `screen` in [kiosk] is \"big\"; expected \"auto\", \"kms\", \"window\" or \"headless\"",
    );
    refused(
        "[kiosk]\nauto_answer = 'yes'",
        "twocan.toml:2: `auto_answer` in [kiosk] is \"yes\"; expected true or false",
    );
    refused(
        "[call]\nframe_ms = 15",
        "twocan.toml:2: `frame_ms` in [call] is 15; expected a number of milliseconds, 10 or 20",
    );
    refused(
        "[call]\nbitrate = [1,\n2]",
        "twocan.toml:2: `bitrate` in [call] is a list; expected a number of bits per second, 6000 to 96000",
    );
    refused(
        "[door]\nlisten = '5022'",
        "twocan.toml:2: `listen` in [door] is \"5022\"; expected an address and a port such as \"127.0.0.1:5022\" or \"[::]:5022\"",
    );
    refused("\ncamera = ['auto']", "twocan.toml:2: `camera` is no section; expected [camera]");
    refused("[[kiosk]]\nname = 'x'", "twocan.toml:1: `kiosk` is no section; expected [kiosk]");
}

#[test]
fn a_camera_is_turned_and_set_by_hand_or_left_to_itself() {
    let camera = |text: &str| parse(&format!("[camera]\n{text}\n")).unwrap().camera;
    let set = camera(
        "source = 'rpicam'\nrotate = 270\nmirror = true\nexposure = 100\nwhite_balance = 4500",
    );
    assert_eq!(set.source, CameraSource::Rpicam);
    assert_eq!((set.rotate.0.degrees(), set.mirror), (270, true));
    assert_eq!((set.exposure.get(), set.white_balance.get()), (Some(100), Some(4500)));
    let left = camera("exposure = 'auto'\nwhite_balance = 'auto'");
    assert_eq!((left.exposure.get(), left.white_balance.get()), (None, None));
}

#[test]
fn a_relay_needs_its_login_and_no_key_but_a_real_one() {
    refused(
        "[kiosk]\n[relay]\nhost = 'localhost'\n",
        "twocan.toml:2: `user` is missing in [relay], which has no default for it",
    );
    let pinned =
        parse("[relay]\nhost = 'localhost'\nuser = 'a'\n").unwrap().relay.unwrap().host_key;
    assert_eq!(pinned, None, "the state folder knows");
    let error = parse("[relay]\nhost_key = 'trust me'\nhost = 'h'\nuser = 'u'").unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains(":2: `host_key` in [relay] is \"trust me\"; expected a public key"),
        "{error}"
    );
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    for text in [
        "[kiosk]\nname = \n",
        "[kiosk]\nname 'x'",
        "[kiosk\nname = 'x'",
        "[kiosk]\nname = 'x'\nname = 'y'",
    ] {
        let ConfigError::Wrong { line, sentence, .. } = parse(text).unwrap_err() else {
            panic!("{text} was refused for another reason")
        };
        assert!((1..=3).contains(&line) && !sentence.contains('\n'), "{line} {sentence}");
    }
    let error = Config::parse("f", b"[kiosk]\nname = '\xff'").unwrap_err();
    assert_eq!(error.to_string(), "f:2: not UTF-8 text; expected TOML");
}

#[test]
fn a_file_that_was_named_must_exist_and_a_folder_is_none() {
    let error = Config::load(Some(Path::new("/nowhere/twocan.toml"))).unwrap_err().to_string();
    assert!(
        error.starts_with("read the configuration /nowhere/twocan.toml: No such file"),
        "{error}"
    );
    assert!(Config::load(Some(Path::new("/"))).is_err());
    assert!(Config::load(Some(Path::new("/dev/zero"))).is_err(), "endless");
}

#[test]
fn no_flipped_byte_and_no_cut_makes_a_panic_and_every_refusal_is_one_line() {
    let whole = uncommented("#").replace("\n##", "\n").into_bytes();
    let check = |bytes: &[u8]| {
        if let Err(error) = Config::parse("f", bytes) {
            let text = error.to_string();
            assert!(!text.contains('\n') && text.len() < 1400, "{text:?}");
        }
    };
    // The words between the keys are skipped: they only make the run longer.
    let text = String::from_utf8(whole).unwrap();
    let keys: String =
        text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
    let bytes = keys.into_bytes();
    for length in 0..=bytes.len() {
        check(&bytes[..length]);
    }
    for place in 0..bytes.len() {
        for flip in [0x01, 0x02, 0x08, 0x20, 0x80, 0xff] {
            let mut flipped = bytes.clone();
            flipped[place] ^= flip;
            check(&flipped);
        }
    }
    check("[".repeat(100_000).as_bytes());
    check(format!("kiosk.name = {}", "[".repeat(100_000)).as_bytes());
    check(format!("[kiosk]\n{} = 1", "x".repeat(100_000)).as_bytes());
    check("a.".repeat(50_000).as_bytes());
}

#[test]
fn the_stations_of_a_house_have_names_and_one_way_each() {
    let house = |stations: &str| parse(&format!("[station_server]\n{stations}"));
    let one = |keys: &str| house(&format!("[[station_server.station]]\n{keys}"));
    let config = house(
        "web = '[::1]:0'\nnames = ['radio.example.org']\n[[station_server.station]]\nname = 'Garden'\nport = 5061\n\
         [[station_server.station]]\nname = 'Hall'\naddress = '::ffff:192.0.2.7'\n",
    );
    let server = config.unwrap().station_server.unwrap();
    assert!(server.web.0.is_ipv6() && server.listen.0.ip().is_loopback());
    assert_eq!(server.names[0].as_str(), "radio.example.org");
    assert_eq!(server.station[0].name.as_str(), "Garden");
    assert_eq!(server.station[1].way, StationWay::Address("192.0.2.7".parse().unwrap()));
    let said = |result: Result<Config, ConfigError>| result.unwrap_err().to_string();
    let error = said(house("names = ['http://radio.example.org/']"));
    assert!(error.contains("expected a host name or an IP address in quotes"), "{error}");
    let error = said(one("name = 'Garden'"));
    assert!(error.contains("\"Garden\" needs one of port, address and key"), "{error}");
    let error = said(one("name = 'Garden'\nport = 1\naddress = '::1'"));
    assert!(error.contains("and no more"), "{error}");
    let error = said(one("name = '../etc'\nport = 1"));
    assert!(error.contains("expected a name in quotes"), "{error}");
    let twice = "[[station_server.station]]\nname = 'A'\nport = 1\n[[station_server.station]]\n";
    let error = said(house(&format!("{twice}name = 'a'\nport = 2")));
    assert!(error.contains("two stations are called \"a\""), "{error}");
    let error = said(house(&format!("{twice}name = 'B'\nport = 1")));
    assert!(error.contains("the same port, address or key"), "{error}");
}
