async fn get_users(ids: &[u64], org: String) -> Result<HashMap<u64, User>, DbError> {
    let __cache = ::cache_runtime::__private_0_1_0::current();
    let __site: &'static ::cache_runtime::__private_0_1_0::Site = <get_users>::__site();
    #[allow(unused_qualifications)]
    let __bypass = {
        let __bypass = false;
        __bypass
    };
    let __shape = {
        #[allow(unused_imports)]
        use ::cache_runtime::__private_0_1_0::{BatchProbeFit as _, BatchProbeUnfit as _};
        let __probe =
            ::cache_runtime::__private_0_1_0::BatchProbe::<Result<HashMap<u64, User>, DbError>, _>::of(ids);
        ::cache_runtime::__private_0_1_0::batch_result::<Result<HashMap<u64, User>, DbError>, u64>(&__probe);
        (&&__probe).shape()
    };
    #[allow(unused_qualifications)]
    let __rules = ::cache_runtime::__private_0_1_0::batch_rules(
        __shape,
        |_| ::cache_runtime::__private_0_1_0::Ttl::For(::core::time::Duration::from_millis(300000u64)),
        |_| true,
    );
    let __ids = ::cache_runtime::__private_0_1_0::batch_ids(__shape, ids);
    let __cache_shape = __shape;
    ::cache_runtime::__private_0_1_0::ResultValue::fits(::cache_runtime::__private_0_1_0::batch_value_of(
        __cache_shape,
    ));
    ::cache_runtime::__private_0_1_0::batch(
        &__cache,
        __site,
        __cache_shape,
        __ids,
        __bypass,
        |id| {
            let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
            ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
            ::cache_runtime::__private_0_1_0::literal(&mut __key, "user:");
            ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
            <str as ::cache_runtime::__private_0_1_0::KeyPart>::write_part(&org, &mut __key);
            ::cache_runtime::__private_0_1_0::close(&mut __key);
            ::cache_runtime::__private_0_1_0::literal(&mut __key, ":");
            ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
            <u64 as ::cache_runtime::__private_0_1_0::KeyPart>::write_part(&id, &mut __key);
            ::cache_runtime::__private_0_1_0::close(&mut __key);
            __key
        },
        |id| {
            let _ = id;
            <[_]>::into_vec(::std::boxed::Box::new([{
                let mut __tag = ::cache_runtime::__private_0_1_0::tag_key(&__cache);
                ::cache_runtime::__private_0_1_0::literal(&mut __tag, "org:");
                ::cache_runtime::__private_0_1_0::open(&mut __tag, 0u8);
                <str as ::cache_runtime::__private_0_1_0::KeyPart>::write_part(&org, &mut __tag);
                ::cache_runtime::__private_0_1_0::close(&mut __tag);
                __tag
            }]))
        },
        __rules,
        |__ids| {
            let __held1 = ::core::clone::Clone::clone(&org);
            async move { <get_users>::uncached(&__ids[..], __held1).await }
        },
    )
    .await
}
#[doc(hidden)]
#[allow(non_camel_case_types, missing_debug_implementations, dead_code)]
struct get_users {}
#[doc(hidden)]
#[allow(dead_code, missing_docs, unreachable_pub, non_camel_case_types)]
impl get_users {
    #[doc(hidden)]
    #[allow(dead_code, missing_docs, unreachable_pub)]
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        clippy::extra_unused_type_parameters,
        clippy::unused_async
    )]
    pub(crate) async fn uncached(ids: &[u64], org: String) -> Result<HashMap<u64, User>, DbError> {
        let _ = &org;
        ({ load(ids).await })
    }
    fn __site() -> &'static ::cache_runtime::__private_0_1_0::Site {
        static __SITE: ::cache_runtime::__private_0_1_0::Site =
            ::cache_runtime::__private_0_1_0::Site::new(::cache_runtime::__private_0_1_0::SiteConfig {
                function: ::core::concat!(::core::module_path!(), "::", "get_users"),
                template: "user:<org>:<id>",
                ttl_class: "custom",
                tags: &["org:<org>"],
                tags_in_key: true,
                ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
            });
        ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "get_users") , "user:<org>:<id>" , 0u32 , :: core :: option :: Option :: None , & [] , & ["org:<org>"] , & []) }
        &__SITE
    }
}
