impl Users {
    pub async fn find(&self, user: &User) -> Arc<User> {
        #[allow(clippy::all, clippy::pedantic)]
        let _ = [(); ::core::mem::needs_drop::<Self>() as ::core::primitive::usize * 0];
        let __cache = ::cache_runtime::__private_0_1_0::current();
        let __site: &'static ::cache_runtime::__private_0_1_0::Site = Self::__find_site();
        let __shape = {
            #[allow(unused_imports)]
            use ::cache_runtime::__private_0_1_0::{
                ProbeFallible as _, ProbeFallibleOptional as _, ProbeFallibleOptionalShared as _,
                ProbeFallibleShared as _, ProbeOptional as _, ProbePlain as _,
            };
            (&&&&&&&&&&::cache_runtime::__private_0_1_0::Probe::<Arc<User>>::new()).shape()
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
            self.__find_key(&mut __key, &user);
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
        let __body = self.find_uncached(user);
        let __body = || __body;
        let __launch = ::cache_runtime::__private_0_1_0::Attached;
        let __cache_launch = __launch;
        __cache_launch.read(__call, __cache_shape, __rules, __body).await
    }
    #[doc(hidden)]
    #[allow(dead_code, missing_docs, unreachable_pub)]
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        clippy::extra_unused_type_parameters,
        clippy::unused_async
    )]
    pub async fn find_uncached(&self, user: &User) -> Arc<User> {
        let _ = &user;
        ({ self.load(user).await })
    }
    #[doc(hidden)]
    #[allow(
        dead_code,
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        clippy::nursery,
        clippy::restriction
    )]
    pub fn find_entry(&self, user: &User) -> ::cache_runtime::__private_0_1_0::Entry<Arc<User>> {
        let __cache = ::cache_runtime::__private_0_1_0::current();
        ::cache_runtime::__private_0_1_0::entry(
            &__cache,
            Self::__find_site(),
            {
                let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
                ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
                self.__find_key(&mut __key, user);
                __key
            },
            ::std::vec::Vec::new(),
            ::cache_runtime::__private_0_1_0::EntryRules::Fixed(::cache_runtime::__private_0_1_0::Ttl::For(
                ::core::time::Duration::from_millis(300000u64),
            )),
        )
    }
    #[doc(hidden)]
    #[inline]
    #[allow(
        dead_code,
        unused_variables,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        clippy::nursery,
        clippy::restriction
    )]
    fn __find_key(&self, mut __key: &mut ::cache_runtime::__private_0_1_0::KeyWriter, user: &User) -> () {
        ::cache_runtime::__private_0_1_0::literal(&mut __key, "find:");
        ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
        ::cache_runtime::__private_0_1_0::KeyPart::write_part(&self.org, &mut __key);
        ::cache_runtime::__private_0_1_0::close(&mut __key);
        ::cache_runtime::__private_0_1_0::literal(&mut __key, ":");
        ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
        <User as ::cache_runtime::__private_0_1_0::KeyPart>::write_part(&user, &mut __key);
        ::cache_runtime::__private_0_1_0::close(&mut __key);
    }
    #[doc(hidden)]
    #[allow(dead_code)]
    fn __find_site() -> &'static ::cache_runtime::__private_0_1_0::Site {
        static __SITE: ::cache_runtime::__private_0_1_0::Site =
            ::cache_runtime::__private_0_1_0::Site::new(::cache_runtime::__private_0_1_0::SiteConfig {
                function: ::core::concat!(::core::module_path!(), "::", "find"),
                template: "find:<self.org>:<user>",
                ttl_class: "custom",
                ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
            });
        ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "find") , "find:<self.org>:<user>" , 0u32 , :: core :: option :: Option :: None , & [] , & [] , & []) }
        &__SITE
    }
}
