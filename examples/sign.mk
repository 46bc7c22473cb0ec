# Signs images of a repository with openssl, so that the key can be on another machine:
# NAME.tbs contains the bytes to be signed, NAME.p7s the signature, and NAME.signed the record of
# the artifact with the signature.
#
#   make -f sign.mk CERT=cert.pem KEY=key.pem app.signed
#
# MD is the hash of the repository: sha512 or sha256. A .tbs is always generated, but replaced
# only if it differs, so nothing is signed twice.
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
