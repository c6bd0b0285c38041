impl Users {
    async fn find(&self, __cache_arg0: (u64, u64)) -> u64 {
        let __cache = ::cache_runtime::__private_0_1_0::current();
        let __site: &'static ::cache_runtime::__private_0_1_0::Site = {
            static __SITE: ::cache_runtime::__private_0_1_0::Site =
                ::cache_runtime::__private_0_1_0::Site::new(::cache_runtime::__private_0_1_0::SiteConfig {
                    function: ::core::concat!(::core::module_path!(), "::", "find"),
                    template: "find:<Self>:<a>:<b>",
                    ttl_class: "custom",
                    ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
                });
            ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "find") , "find:<Self>:<a>:<b>" , 0u32 , :: core :: option :: Option :: None , & [] , & [] , & []) }
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
            #[allow(unused_variables, clippy::pattern_type_mismatch)]
            let (a, b) = &__cache_arg0;
            let __bypass = false;
            ::cache_runtime::__private_0_1_0::literal(&mut __key, "find:");
            ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
            ::cache_runtime::__private_0_1_0::type_name::<Self>(&mut __key);
            ::cache_runtime::__private_0_1_0::close(&mut __key);
            ::cache_runtime::__private_0_1_0::literal(&mut __key, ":");
            ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
            ::cache_runtime::__private_0_1_0::KeyPart::write_part(&a, &mut __key);
            ::cache_runtime::__private_0_1_0::close(&mut __key);
            ::cache_runtime::__private_0_1_0::literal(&mut __key, ":");
            ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
            ::cache_runtime::__private_0_1_0::KeyPart::write_part(&b, &mut __key);
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
            |_| ::cache_runtime::__private_0_1_0::Ttl::For(::core::time::Duration::from_millis(300000u64)),
            |_| true,
        );
        let __body = async move {
            #[allow(unreachable_code, clippy::diverging_sub_expression)]
            if false {
                let __result: u64 = ::core::unreachable!();
                return __result;
            }
            let (a, b) = __cache_arg0;
            { self.load(a, b).await }
        };
        let __body = || __body;
        let __launch = ::cache_runtime::__private_0_1_0::Attached;
        let __cache_launch = __launch;
        __cache_launch.read(__call, __cache_shape, __rules, __body).await
    }
}
