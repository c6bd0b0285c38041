//! Users, and that each write shows in the next read.

use serde_json::json;

use crate::kit::Service;

crate::on_both_stores!(
    a_user_is_registered_and_found,
    a_remembered_absence_ends_with_the_registration,
    a_new_name_shows_everywhere,
    a_deleted_user_is_gone_but_the_films_keep_the_ratings,
    a_name_belongs_to_one_user,
    the_leaderboard_is_ordered_by_ratings,
    clients_at_once_see_their_own_writes,
);

fn a_user_is_registered_and_found(service: &mut Service) {
    let answer = service.post("/api/users", &json!({ "name": "  Ada Lovelace " }));
    let user = answer.expect(201);
    assert_eq!(user, json!({ "id": 1, "name": "Ada Lovelace", "ratings": 0 }));
    assert_eq!(answer.location.as_deref(), Some("/api/users/1"));
    for _ in 0..2 {
        assert_eq!(service.get("/api/users/1").expect(200), user);
    }
}

fn a_remembered_absence_ends_with_the_registration(service: &mut Service) {
    for _ in 0..2 {
        service.get("/api/users/1").expect_error(404, "unknown_user");
    }
    assert_eq!(service.register("Ada"), 1);
    assert_eq!(service.get("/api/users/1").expect(200)["name"], "Ada");
}

fn a_new_name_shows_everywhere(service: &mut Service) {
    let id = service.register("Ada");
    let path = format!("/api/users/{id}");
    service.rate(842, id, 9);
    for name in ["Grace", "Edsger", "Ada"] {
        service.get(&path).expect(200);
        service.get("/api/users/top").expect(200);

        let renamed = service.put(&path, &json!({ "name": name })).expect(200);
        assert_eq!(renamed, json!({ "id": id, "name": name, "ratings": 1 }));
        assert_eq!(service.get(&path).expect(200), renamed);
        assert_eq!(service.get("/api/users/top").expect(200), json!([renamed]));
    }
    service.put("/api/users/99", &json!({ "name": "Nobody" })).expect_error(404, "unknown_user");
    service.get("/api/users/99").expect_error(404, "unknown_user");
}

fn a_deleted_user_is_gone_but_the_films_keep_the_ratings(service: &mut Service) {
    let id = service.register("Ada");
    let path = format!("/api/users/{id}");
    service.rate(842, id, 3);
    let film = service.get("/api/films/842").expect(200);
    assert_eq!(film["stars"], json!({ "average": 3.0, "ratings": 1 }));
    service.get(&path).expect(200);
    service.get("/api/users/top").expect(200);

    assert_eq!(service.delete(&path).expect(204), json!(null));
    // Before the requests that fail: they would invalidate as well.
    service.get(&path).expect_error(404, "unknown_user");
    assert_eq!(service.get("/api/users/top").expect(200), json!([]));
    assert_eq!(service.get("/api/films/842").expect(200), film);

    service.delete(&path).expect_error(404, "unknown_user");
    service.put(&path, &json!({ "name": "Ada" })).expect_error(404, "unknown_user");

    assert_eq!(service.register("Ada"), id + 1, "the name is free again, the id is not");
    service.get(&path).expect_error(404, "unknown_user");
}

fn a_name_belongs_to_one_user(service: &mut Service) {
    let ada = service.register("Ada");
    let grace = service.register("Grace");
    for taken in ["Ada", "ADA", " ada "] {
        let message = service.post("/api/users", &json!({ "name": taken })).expect_error(409, "name_taken");
        assert!(message.contains(taken.trim()), "{message}");
        service
            .put(&format!("/api/users/{grace}"), &json!({ "name": taken }))
            .expect_error(409, "name_taken");
    }
    assert_eq!(service.get(&format!("/api/users/{grace}")).expect(200)["name"], "Grace");
    service.put(&format!("/api/users/{ada}"), &json!({ "name": "ADA" })).expect(200);
    assert_eq!(service.get(&format!("/api/users/{ada}")).expect(200)["name"], "ADA");
}

fn the_leaderboard_is_ordered_by_ratings(service: &mut Service) {
    let ids: Vec<i64> = (1..=12).map(|n| service.register(&format!("user {n}"))).collect();
    assert_eq!(service.get("/api/users/top").expect(200), json!([]), "nobody has rated");
    for (position, id) in ids.iter().enumerate() {
        for film in 1..=i64::try_from(position).expect("a small number") {
            service.rate(film, *id, 5);
        }
    }
    let top = service.get("/api/users/top").expect(200);
    let top: Vec<(i64, i64)> = top
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|user| Some((user["id"].as_i64()?, user["ratings"].as_i64()?)))
        .collect();
    let expected: Vec<(i64, i64)> = (2..=11).rev().map(|ratings| (ids[ratings as usize], ratings)).collect();
    assert_eq!(top, expected);
}

fn clients_at_once_see_their_own_writes(service: &mut Service) {
    let service = &*service;
    std::thread::scope(|scope| {
        for client in 0..4 {
            scope.spawn(move || {
                let id = service.register(&format!("client {client}"));
                let path = format!("/api/users/{id}");
                for round in 0..25 {
                    let name = format!("client {client} round {round}");
                    service.put(&path, &json!({ "name": name })).expect(200);
                    assert_eq!(service.get(&path).expect(200)["name"], *name);
                    service.rate(842, id, 1 + round % 10);
                    let film = service.get("/api/films/842").expect(200);
                    let ratings = film["stars"]["ratings"].as_i64().expect("a number");
                    assert!((1..=4).contains(&ratings), "{film}");
                    assert_eq!(service.get(&path).expect(200)["ratings"], 1);
                }
            });
        }
    });
    let film = service.get("/api/films/842").expect(200);
    assert_eq!(film["stars"], json!({ "average": 5.0, "ratings": 4 }));
}
