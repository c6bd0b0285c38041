//! The catalogue.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::kit::Service;

crate::on_both_stores!(
    a_film_is_found_with_what_is_known_about_it,
    the_best_films_are_ordered_by_score,
    the_pages_hold_every_film_once,
    a_genre_is_found_in_any_case,
    a_list_that_does_not_exist_says_what_does,
);

fn a_film_is_found_with_what_is_known_about_it(service: &mut Service) {
    for _ in 0..2 {
        let film = service.get("/api/films/842").expect(200);
        assert_eq!(film["title"], "The Shawshank Redemption");
        assert_eq!(film["released"], "1994-09-23");
        assert_eq!(film["imdb_rating"], 9.2);
        assert_eq!(film["stars"], json!({ "average": null, "ratings": 0 }));

        let film = service.get("/api/films/1").expect(200);
        assert_eq!((&film["title"], &film["genre"]), (&json!("The Land Girls"), &Value::Null));

        for unknown in ["0", "-1", "3202", "9223372036854775807"] {
            service.get(&format!("/api/films/{unknown}")).expect_error(404, "unknown_film");
        }
    }
}

fn the_best_films_are_ordered_by_score(service: &mut Service) {
    let first = service.get("/api/films/top").expect(200);
    assert_eq!(service.get("/api/films/top").expect(200), first);
    let scores: Vec<f64> = list(&first).iter().filter_map(|film| film["score"].as_f64()).collect();
    assert_eq!(scores.len(), 10);
    assert!(scores.is_sorted_by(|left, right| left >= right), "{scores:?}");
    assert_eq!(first[0]["title"], "The Shawshank Redemption");
}

fn the_pages_hold_every_film_once(service: &mut Service) {
    let mut seen = HashSet::new();
    let first = service.get("/api/films?genre=Western").expect(200);
    let pages = first["pages"].as_i64().expect("a number");
    for page in 1..=pages {
        let answer = service.get(&format!("/api/films?genre=Western&page={page}")).expect(200);
        assert_eq!(
            (&answer["page"], &answer["pages"], &answer["total"]),
            (&json!(page), &json!(2), &json!(36))
        );
        for film in list(&answer["films"]) {
            assert_eq!(film["genre"], "Western");
            assert!(seen.insert(film["id"].to_string()), "{film} is on two pages");
        }
    }
    assert_eq!(seen.len(), 36);

    let all = service.get("/api/films?page=160").expect(200);
    assert_eq!((&all["total"], list(&all["films"]).len()), (&json!(3200), 20));
    assert_eq!(service.get("/api/films").expect(200), service.get("/api/films?genre=&page=").expect(200));
}

fn a_genre_is_found_in_any_case(service: &mut Service) {
    let films = service.get("/api/films?genre=Thriller/Suspense").expect(200);
    assert_eq!(films["total"], 238);
    for same in ["thriller/suspense", "Thriller%2FSuspense", "THRILLER%2fSUSPENSE"] {
        assert_eq!(service.get(&format!("/api/films?genre={same}")).expect(200), films);
    }
}

fn a_list_that_does_not_exist_says_what_does(service: &mut Service) {
    for _ in 0..2 {
        let message = service.get("/api/films?genre=Noir").expect_error(400, "unknown_genre");
        assert!(message.contains("`Noir`") && message.contains("Western"), "{message}");
        for page in ["0", "161", "4294967295"] {
            let message = service.get(&format!("/api/films?page={page}")).expect_error(404, "unknown_page");
            assert!(message.contains("160"), "{message}");
        }
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}
