# Signs images of a repository by openssl, so that the key can be where this Makefile is not:
# NAME.tbs is what the signature is over, NAME.p7s the signature, and NAME.signed the record of
# the artifact that holds it then.
#
#   make -f sign.mk CERT=cert.pem KEY=key.pem app.signed
#
# MD is the hash of the repository: sha512, or sha256. A .tbs is made each time, and replaced
# only when it differs: what is signed already is not signed again.
CERT = cert.pem
KEY = key.pem
MD = sha512

.DELETE_ON_ERROR:
.PRECIOUS: %.tbs %.p7s
.PHONY: FORCE

%.tbs: FORCE; cfs-link tbs $* >$@.new && if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
%.p7s: %.tbs; openssl smime -sign -binary -in $< -signer $(CERT) -inkey $(KEY) -outform DER -noattr -nocerts -md $(MD) -out $@
%.signed: %.p7s; cfs-link sign $* --cert $(CERT) --signature merged=$< >$@
FORCE:
