//! What is wrong with the film records, and what becomes of it.
//!
//! The records are known to hold mistakes, some of them on purpose (`data/README.md`). None is dropped silently:
//!
//! | in `movies.json` | here |
//! |---|---|
//! | 1 record has no title | left out: there is nothing to show or to look for |
//! | 9 titles are numbers (`300`, `1776`, `9`) | text |
//! | 18 titles were read with the wrong character set (`LÈon`, `DÈj‡ Vu`) | repaired (`Léon`, `Déjà Vu`) |
//! | 4 titles end in `, The` (`Secret, The`) | `The Secret` |
//! | dates are `Jun 12 1998` | `1998-06-12` |
//! | 22 films of before 1950 are dated a century late (`Gone with the Wind`: 2039) | a century earlier |
//! | ratings, genres, directors and more may be null | stay unknown, never 0 |
//! | `IMDB Rating` is now `7`, now `6.1` | a number with a fraction |
//!
//! The id of a film is its place in the file, from 1, so every import gives every film the same one.

use serde::Deserialize;

/// A film as the database takes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) released: Option<String>,
    pub(crate) genre: Option<String>,
    pub(crate) director: Option<String>,
    pub(crate) distributor: Option<String>,
    pub(crate) mpaa_rating: Option<String>,
    pub(crate) running_minutes: Option<i64>,
    pub(crate) production_budget: Option<i64>,
    pub(crate) us_gross: Option<i64>,
    pub(crate) worldwide_gross: Option<i64>,
    pub(crate) rotten_tomatoes: Option<i64>,
    pub(crate) imdb_rating: Option<f64>,
    pub(crate) imdb_votes: Option<i64>,
    pub(crate) prior: f64,
}

/// A film as the file has it.
#[derive(Debug, Deserialize)]
struct RawRecord {
    #[serde(rename = "Title")]
    title: Option<RawTitle>,
    #[serde(rename = "Release Date")]
    released: Option<String>,
    #[serde(rename = "Major Genre")]
    genre: Option<String>,
    #[serde(rename = "Director")]
    director: Option<String>,
    #[serde(rename = "Distributor")]
    distributor: Option<String>,
    #[serde(rename = "MPAA Rating")]
    mpaa_rating: Option<String>,
    #[serde(rename = "Running Time min")]
    running_minutes: Option<i64>,
    #[serde(rename = "Production Budget")]
    production_budget: Option<i64>,
    #[serde(rename = "US Gross")]
    us_gross: Option<i64>,
    #[serde(rename = "Worldwide Gross")]
    worldwide_gross: Option<i64>,
    #[serde(rename = "Rotten Tomatoes Rating")]
    rotten_tomatoes: Option<i64>,
    #[serde(rename = "IMDB Rating")]
    imdb_rating: Option<f64>,
    #[serde(rename = "IMDB Votes")]
    imdb_votes: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawTitle {
    Number(i64),
    Text(String),
}

/// Reads the file.
///
/// # Errors
/// If it is no list of such records.
pub(super) fn read(json: &str) -> Result<Vec<Record>, serde_json::Error> {
    let records: Vec<RawRecord> = serde_json::from_str(json)?;
    Ok((1..).zip(records).filter_map(|(id, raw)| record(id, raw)).collect())
}

fn record(id: i64, raw: RawRecord) -> Option<Record> {
    let title = match raw.title? {
        RawTitle::Number(number) => number.to_string(),
        RawTitle::Text(text) => article_first(&right_characters(&text)),
    };
    Some(Record {
        id,
        title,
        released: raw.released.as_deref().and_then(iso_date),
        genre: raw.genre,
        director: raw.director,
        distributor: raw.distributor,
        mpaa_rating: raw.mpaa_rating,
        running_minutes: raw.running_minutes,
        production_budget: raw.production_budget,
        us_gross: raw.us_gross,
        worldwide_gross: raw.worldwide_gross,
        rotten_tomatoes: raw.rotten_tomatoes,
        imdb_rating: raw.imdb_rating,
        imdb_votes: raw.imdb_votes,
        prior: prior(raw.imdb_rating, raw.imdb_votes),
    })
}

/// What a film is worth before anybody here has rated it: its rating at IMDb, drawn towards the mean of all films
/// the fewer votes it has there (half of the way at 3,000 votes), so that a 9.0 by 20 voters does not lead the list.
fn prior(imdb_rating: Option<f64>, imdb_votes: Option<i64>) -> f64 {
    const MEAN: f64 = 6.3;
    const HALFWAY_VOTES: f64 = 3000.0;
    let votes = imdb_votes.unwrap_or(0) as f64;
    let rating = imdb_rating.unwrap_or(MEAN);
    (rating * votes + MEAN * HALFWAY_VOTES) / (votes + HALFWAY_VOTES)
}

/// Undoes a wrong conversion: the titles were Windows-1252 and were read as Mac Roman.
///
/// Only the characters that the file has. It has no title in which one of the left ones is meant, and `³` and `¢`
/// (`Alien³`, `Ri¢hie Ri¢h`) are right as they are.
fn right_characters(title: &str) -> String {
    let right = |character| match character {
        '·' => 'á',
        '‡' => 'à',
        '‰' => 'ä',
        'È' => 'é',
        'Ë' => 'è',
        'Í' => 'ê',
        'Î' => 'ë',
        'Û' => 'ó',
        'Ù' => 'ô',
        '˘' => 'ù',
        'Ω' => '½',
        'Ö' => '…',
        other => other,
    };
    title.chars().map(right).collect()
}

fn article_first(title: &str) -> String {
    match title.strip_suffix(", The") {
        Some(rest) => format!("The {rest}"),
        None => title.to_owned(),
    }
}

/// `Jun 12 1998` as `1998-06-12`.
fn iso_date(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // The records end with films announced for 2011. What is later had two digits once, and was taken for this century.
    const LAST_YEAR: u16 = 2011;

    let mut parts = text.split_ascii_whitespace();
    let name = parts.next()?;
    let month = (1..).zip(MONTHS).find(|(_, month)| *month == name)?.0;
    let day: u8 = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let year: u16 = parts.next()?.parse().ok()?;
    let year = if year > LAST_YEAR { year - 100 } else { year };
    parts.next().is_none().then(|| format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn films() -> Vec<Record> {
        read(super::super::RECORDS).unwrap()
    }

    fn find(title: &str) -> Record {
        let found = films().into_iter().find(|film| film.title == title);
        found.unwrap_or_else(|| panic!("no film is called {title}"))
    }

    #[test]
    fn only_the_film_without_a_title_is_left_out() {
        let films = films();
        assert_eq!(films.len(), 3200);
        assert_eq!(films.last().map(|film| film.id), Some(3201));
        assert!(films.iter().all(|film| !film.title.trim().is_empty()));
    }

    #[test]
    fn titles_are_text_in_the_right_characters() {
        for title in ["300", "9", "1776", "Léon", "Déjà Vu", "Alien³", "The Secret"] {
            find(title);
        }
        for film in films() {
            let wrong = film.title.contains(['È', 'Í', '‡', 'Ω']) || film.title.ends_with(", The");
            assert!(!wrong, "{}", film.title);
        }
    }

    #[test]
    fn every_date_is_read_and_none_is_in_the_future_of_the_records() {
        for film in films() {
            let released = film.released.unwrap_or_else(|| panic!("{} has no date", film.title));
            assert!(("1915".."2012").contains(&released.as_str()), "{}: {released}", film.title);
        }
        assert_eq!(find("The Land Girls").released.as_deref(), Some("1998-06-12"));
        assert_eq!(find("Gone with the Wind").released.as_deref(), Some("1939-12-15"));
        assert_eq!(find("Inception").released.as_deref(), Some("2010-07-16"));
    }

    #[test]
    fn a_date_in_another_form_is_unknown() {
        for text in ["", "1998", "12 Jun 1998", "Jun 32 1998", "Jun 12 98th", "Jun 12 1998 at noon"] {
            assert_eq!(iso_date(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_stays_unknown() {
        let film = find("The Land Girls");
        assert_eq!((film.genre, film.rotten_tomatoes, film.running_minutes), (None, None, None));
        assert_eq!(film.imdb_rating, Some(6.1));
    }

    #[test]
    fn few_votes_count_little() {
        assert_eq!(prior(None, None), 6.3);
        assert!(prior(Some(9.5), Some(20)) < 6.4);
        assert!(prior(Some(9.2), Some(500_000)) > 9.1);
    }
}
