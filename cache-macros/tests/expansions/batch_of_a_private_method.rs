impl Users {
    async fn get_users(&self, ids: Vec<u64>) -> Vec<Option<User>> {
        #[allow(clippy::all, clippy::pedantic)]
        let _ = [(); ::core::mem::needs_drop::<Self>() as ::core::primitive::usize * 0];
        let __cache = ::cache_runtime::__private_0_1_0::current();
        let __site: &'static ::cache_runtime::__private_0_1_0::Site = {
            static __SITE: ::cache_runtime::__private_0_1_0::Site =
                ::cache_runtime::__private_0_1_0::Site::new(::cache_runtime::__private_0_1_0::SiteConfig {
                    function: ::core::concat!(::core::module_path!(), "::", "get_users"),
                    template: "user:<id>",
                    ttl_class: "custom",
                    ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
                });
            ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "get_users") , "user:<id>" , 0u32 , :: core :: option :: Option :: None , & [] , & [] , & []) }
            &__SITE
        };
        #[allow(unused_qualifications)]
        let __bypass = {
            let __bypass = false;
            __bypass
        };
        let __shape = {
            #[allow(unused_imports)]
            use ::cache_runtime::__private_0_1_0::{BatchProbeFit as _, BatchProbeUnfit as _};
            let __probe = ::cache_runtime::__private_0_1_0::BatchProbe::<Vec<Option<User>>, _>::of(&ids);
            ::cache_runtime::__private_0_1_0::batch_result::<Vec<Option<User>>, u64>(&__probe);
            (&&__probe).shape()
        };
        #[allow(unused_qualifications)]
        let __rules = ::cache_runtime::__private_0_1_0::batch_rules(
            __shape,
            |_| ::cache_runtime::__private_0_1_0::Ttl::For(::core::time::Duration::from_millis(300000u64)),
            |_| true,
        );
        let __ids = ids;
        let __cache_shape = __shape;
        ::cache_runtime::__private_0_1_0::ResultValue::fits(
            ::cache_runtime::__private_0_1_0::batch_value_of(__cache_shape),
        );
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
                <u64 as ::cache_runtime::__private_0_1_0::KeyPart>::write_part(&id, &mut __key);
                ::cache_runtime::__private_0_1_0::close(&mut __key);
                __key
            },
            |_| ::std::vec::Vec::new(),
            __rules,
            |__ids| async move {
                #[allow(unreachable_code, clippy::diverging_sub_expression)]
                if false {
                    let __result: Vec<Option<User>> = ::core::unreachable!();
                    return __result;
                }
                let mut ids = __ids;
                { self.load(ids).await }
            },
        )
        .await
    }
}
