impl Users {
    fn find<'life0, 'async_trait>(
        &'life0 self,
        id: u64,
    ) -> Pin<Box<dyn Future<Output = u64> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        ::std::boxed::Box::pin(async move {
            #[allow(clippy::all, clippy::pedantic)]
            let _ = [(); ::core::mem::needs_drop::<Self>() as ::core::primitive::usize * 0];
            let __cache = ::cache_runtime::__private_0_1_0::current();
            let __site: &'static ::cache_runtime::__private_0_1_0::Site = {
                static __SITE: ::cache_runtime::__private_0_1_0::Site =
                    ::cache_runtime::__private_0_1_0::Site::new(
                        ::cache_runtime::__private_0_1_0::SiteConfig {
                            function: ::core::concat!(::core::module_path!(), "::", "find"),
                            template: "find:<id>",
                            ttl_class: "custom",
                            ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
                        },
                    );
                ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "find") , "find:<id>" , 0u32 , :: core :: option :: Option :: None , & [] , & [] , & []) }
                &__SITE
            };
            let __shape = {
                #[allow(unused_imports)]
                use ::cache_runtime::__private_0_1_0::{
                    ProbeFallible as _, ProbeFallibleOptional as _, ProbeFallibleOptionalShared as _,
                    ProbeFallibleShared as _, ProbeOptional as _, ProbePlain as _,
                };
                (&&&&&&&&&&::cache_runtime::__private_0_1_0::Probe::<u64>::new()).shape()
            };
            let __cache_shape = __shape;
            ::cache_runtime::__private_0_1_0::ResultValue::fits(::cache_runtime::__private_0_1_0::value_of(
                __cache_shape,
            ));
            let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
            ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
            #[allow(unused_qualifications)]
            let __bypass = {
                let __bypass = false;
                ::cache_runtime::__private_0_1_0::literal(&mut __key, "find:");
                ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
                <u64 as ::cache_runtime::__private_0_1_0::KeyPart>::write_part(&id, &mut __key);
                ::cache_runtime::__private_0_1_0::close(&mut __key);
                __bypass
            };
            if let ::core::option::Option::Some(__hit) =
                ::cache_runtime::__private_0_1_0::local(&__cache, __site, &__key, __bypass, __cache_shape)
            {
                return __hit;
            }
            let __call = ::cache_runtime::__private_0_1_0::call(&__cache, __site, __key, __bypass);
            #[allow(unused_qualifications)]
            let __rules = ::cache_runtime::__private_0_1_0::rules(
                __shape,
                |_| {
                    ::cache_runtime::__private_0_1_0::Ttl::For(::core::time::Duration::from_millis(300000u64))
                },
                |_| true,
            );
            let __body = { Box::pin(async move { id }) };
            let __body = || __body;
            let __launch = ::cache_runtime::__private_0_1_0::Attached;
            let __cache_launch = __launch;
            __cache_launch.read(__call, __cache_shape, __rules, __body).await
        })
    }
}
