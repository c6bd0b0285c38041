//! Ratings: one write that four reads must show.

use serde_json::{Value, json};

use crate::kit::Service;

crate::on_both_stores!(
    a_rating_shows_in_the_film_the_user_and_both_lists,
    a_second_rating_replaces_the_first,
    ratings_move_films_in_the_list,
    a_rating_that_is_refused_changes_nothing,
);

const BEST: &str = "/api/films/842";

/// What the four reads show of ratings. Read twice, so that the second answer comes from the cache.
fn reads(service: &Service, user: i64) -> [Value; 4] {
    let read = || {
        [
            service.get(BEST).expect(200)["stars"].clone(),
            service.get("/api/films/top").expect(200)[0].clone(),
            service.get(&format!("/api/users/{user}")).expect(200)["ratings"].clone(),
            service.get("/api/users/top").expect(200),
        ]
    };
    let first = read();
    assert_eq!(read(), first);
    first
}

fn a_rating_shows_in_the_film_the_user_and_both_lists(service: &mut Service) {
    let user = service.register("Ada");
    let [film, top, ratings, leaders] = reads(service, user);
    assert_eq!(film, json!({ "average": null, "ratings": 0 }));
    assert_eq!((top["stars"].clone(), ratings, leaders), (film, json!(0), json!([])));

    let answer = service.post(&format!("{BEST}/ratings"), &json!({ "user_id": user, "stars": 10 }));
    assert_eq!(answer.expect(201), json!({ "film_id": 842, "user_id": user, "stars": 10 }));
    assert_eq!(answer.location.as_deref(), Some(BEST));

    let [film, top, ratings, leaders] = reads(service, user);
    assert_eq!(film, json!({ "average": 10.0, "ratings": 1 }));
    assert_eq!((top["stars"].clone(), ratings), (film, json!(1)));
    assert_eq!(leaders, json!([{ "id": user, "name": "Ada", "ratings": 1 }]));
}

fn a_second_rating_replaces_the_first(service: &mut Service) {
    let [ada, grace] = ["Ada", "Grace"].map(|name| service.register(name));
    service.rate(842, ada, 10);
    service.rate(842, grace, 5);
    assert_eq!(reads(service, ada)[0], json!({ "average": 7.5, "ratings": 2 }));

    let again = json!({ "user_id": ada, "stars": 1 });
    service.post(&format!("{BEST}/ratings"), &again).expect(200);
    let [film, _, ratings, _] = reads(service, ada);
    assert_eq!((film, ratings), (json!({ "average": 3.0, "ratings": 2 }), json!(1)));
}

fn ratings_move_films_in_the_list(service: &mut Service) {
    let leader = |service: &Service| service.get("/api/films/top").expect(200)[0]["id"].clone();
    assert_eq!(leader(service), 842);
    let user = service.register("Ada");
    service.rate(842, user, 1);
    assert_ne!(leader(service), 842);
    service.rate(842, user, 10);
    assert_eq!(leader(service), 842);
}

fn a_rating_that_is_refused_changes_nothing(service: &mut Service) {
    let user = service.register("Ada");
    let before = reads(service, user);
    let rate = |film: i64, body: Value| service.post(&format!("/api/films/{film}/ratings"), &body);

    for stars in [0, 11, -1, 266, i64::MAX] {
        let message = rate(842, json!({ "user_id": user, "stars": stars })).expect_error(422, "bad_stars");
        assert!(message.contains(&stars.to_string()) && message.contains("1 to 10"), "{message}");
    }
    for stars in [json!(4.5), json!("5"), json!(null), json!([5]), json!(1e30)] {
        rate(842, json!({ "user_id": user, "stars": stars })).expect_error(422, "bad_body");
    }
    rate(842, json!({ "user_id": 99, "stars": 5 })).expect_error(422, "unknown_user");
    rate(99_999, json!({ "user_id": user, "stars": 5 })).expect_error(404, "unknown_film");
    rate(842, json!({ "user_id": user })).expect_error(422, "bad_body");
    rate(842, json!({ "user_id": user, "stars": 5, "note": "!" })).expect_error(422, "bad_body");
    assert_eq!(reads(service, user), before);
}
