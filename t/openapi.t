#!/usr/bin/perl

# docs/openapi.yaml says what the portal does: the same paths, methods, audiences
# and fields as its configuration, and every operation answers what is written
# there, done and refused.  No answer has a key that is not written there.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Digest::SHA qw(sha256_hex);
use JSON::Validator;
use Portal::Declared qw(forms locations);
use Portal::Fault;
use Portal::Place qw(slurp);
use Time::HiRes qw(sleep time);
use YAML::PP;

my $api = YAML::PP->new(boolean => 'JSON::PP')->load_file(top() . '/docs/openapi.yaml');
my $part = $api->{components};


### against pages.inc

my %form = %{ forms() };
my %page;

for my $location (map { locations($_) } qw(pages monitoring)) {
    my $body = $location->{body};
    next if $body =~ /portal_error;/;

    my ($act) = grep { $_ } map { [split] } $body =~ /portal_(?:post|verify)\s+([^;]*);/;
    my $verify = $body =~ /portal_verify/;
    $page{ $location->{path} } = {
        get  => $body =~ /portal_(?:get|page|file|health|metrics)\b/ ? 1 : 0,
        call => $body =~ /portal_(?:get|file)\b/ ? 1 : 0,
        form => $act ? $act->[$verify ? 2 : 1] : undef,
        gate => $body =~ /portal_allow\s+(\w+)/ ? "$1" : '',
        limit => $body =~ /limit_req/ ? 1 : 0, verify => $verify ? 1 : 0,
        query => [sort $body =~ /\$arg_(\w+)/g],
    };
}

# the agents' host has forms of its own: t/openapi-agents.t
my %named = map { ($_->{form} // '') => 1 } values %page;
delete @form{ grep { !$named{$_} } keys %form };

cmp_ok scalar(keys %page), '>', 35, 'the pages were found';
is_deeply [sort keys %{ $api->{paths} }], [sort keys %page], 'the same paths';

# by operationId
my %op;

for my $path (sort keys %page) {
    my $page = $page{$path};
    my $item = $api->{paths}{$path} or next;
    my @methods = grep { $_ ne 'parameters' } sort keys %$item;

    is "@methods", join(' ', ('get') x $page->{get}, ('post') x !!$page->{form}),
        "$path: the same methods";

    for my $method (@methods) {
        my $op = $item->{$method};
        my $form = $method eq 'post' ? $form{ $page->{form} } : undef;
        my @parameters = map { seen($_) } @{ $item->{parameters} // [] },
            @{ $op->{parameters} // [] };
        my %in;
        push @{ $in{ $_->{in} } }, $_->{name} for @parameters;

        ok !$op{ $op->{operationId} }, "$path $method: an operationId of its own";
        $op{ $op->{operationId} } = { %$op, method => uc $method, path => $path,
            page => $page, form => $form };
        ok $op->{summary} && @{ $op->{tags} }, "$path $method: said";

        is !!@{ $op->{security} // [] }, $page->{gate} =~ /^(?:citizen|family)$/,
            "$path $method: for whom";
        is_deeply [sort @{ $in{path} // [] }], [sort $path =~ /\{(\w+)\}/g],
            "$path $method: parameters in the path";
        is_deeply [sort @{ $in{query} // [] }], $page->{query},
            "$path $method: and in the query";
        is_deeply [sort @{ $in{header} // [] }], [sort $form ? 'X-CSRF-Token' : (),
            $form && $form->{idempotent} ? 'Idempotency-Key' : (),
            $form && $form->{versioned} ? 'If-Match' : ()], "$path $method: headers";

        my %status = map { $_ => 1 } keys %{ $op->{responses} };
        my @must = (200, $page->{gate} =~ /^(?:citizen|family)$/ ? 401 : (),
            $page->{gate} eq 'family' ? 403 : (), $page->{call} ? 503 : (),
            $page->{limit} || $form && $page->{verify} ? 429 : (),
            $form ? (400, 403, 413, 415, 422, 503) : (),
            $form && $form->{idempotent} ? 409 : (), $form && $form->{versioned} ? 412 : ());
        is join(' ', grep { !$status{$_} } @must), '', "$path $method: statuses";
        like join(' ', sort keys %status),
            qr/^200(?: 400)?(?: 401)?(?: 403)?(?: 404)?(?: 409)?(?: 410)?(?: 412)?(?: 413)?(?: 415)?(?: 422)?(?: 429)?(?: 503)?$/,
            "$path $method: no other status";
        ok((!$status{409} || $form->{idempotent}) && (!$status{412} || $form->{versioned}),
            "$path $method: none that cannot be") if $form;

        is $op->{requestBody}{'$ref'} // '', $form ? "#/components/requestBodies/$page->{form}"
            : '', "$path $method: its form";
    }
}

# what a reference leads to
sub seen {
    my ($node) = @_;

    while (ref $node eq 'HASH' && defined $node->{'$ref'}) {
        my $at = $api;
        $at = $at->{$_} // die "$node->{'$ref'} leads nowhere\n"
            for split m{/}, $node->{'$ref'} =~ s{^#/}{}r;
        $node = $at;
    }

    return $node;
}

# references all lead somewhere, and nothing is without one
{
    my %used;
    my @left = { paths => $api->{paths} };
    while (@left) {
        my $node = pop @left;
        push @left, ref $node eq 'HASH' ? values %$node : ref $node eq 'ARRAY' ? @$node : ();
        next if ref $node ne 'HASH' || !defined $node->{'$ref'} || ref $node->{'$ref'};
        push @left, seen($node) if !$used{ $node->{'$ref'} }++;
    }
    is_deeply [grep { !$used{$_} } map { my $kind = $_;
        map { "#/components/$kind/$_" } sort keys %{ $part->{$kind} } }
        qw(parameters headers requestBodies responses schemas)], [], 'every component is used';
}


### against the forms

is_deeply [sort keys %{ $part->{requestBodies} }], [sort keys %form], 'the same forms';

for my $name (sort keys %form) {
    my $form = $form{$name};
    my $body = $part->{requestBodies}{$name} or next;
    is_deeply [sort keys %{ $body->{content} }],
        [qw(application/json application/x-www-form-urlencoded),
        (grep { $_->{type} eq 'file' } values %{ $form->{fields} }) ? 'multipart/form-data' : ()],
        "$name: the encodings";
    my $schema = seen($body->{content}{'application/json'}{schema});
    my $fields = $schema->{properties};

    is_deeply [sort keys %$fields], [sort keys %{ $form->{fields} }, 'csrf',
        $form->{idempotent} ? 'key' : (), $form->{captcha} ? qw(captcha_challenge captcha_pow
        captcha_answer site_web) : ()], "$name: the same fields";
    is_deeply $schema->{required} // [], [grep { $form->{fields}{$_}{required} }
        sort { $form->{fields}{$a}{order} <=> $form->{fields}{$b}{order} }
        keys %{ $form->{fields} }], "$name: required";
    is $schema->{additionalProperties}, JSON::PP::false, "$name: no other field";

    for my $field (sort keys %{ $form->{fields} }) {
        my $is = $form->{fields}{$field};
        my $said = seen($fields->{$field}) // {};
        my %want = (
            text => [string => maxLength => $is->{max} // 255],
            lines => [string => maxLength => $is->{max} // 2000],
            name => [string => maxLength => $is->{max} // 100],
            email => [string => format => 'email'],
            password => [string => maxLength => 256, minLength => $is->{new} ? 12 : undef],
            choice => [string => enum => [split /,/, $is->{options} // '']],
            yesno => [string => enum => [qw(yes no unanswered)]],
            date => [string => format => 'date'],
            integer => [integer => minimum => $is->{min} // 0,
                maximum => $is->{max} // 9223372036854775807],
            code => ['string'], path => ['string'],
            token => [string => pattern => '^[A-Za-z0-9_-]{43}$'],
        );
        my ($type, %limit) = @{ $want{ $is->{type} } // ['string'] };
        my $empty = $form->{partial} && !$is->{hidden};      # null asks for emptying
        push @{ $limit{enum} }, undef if $empty && $limit{enum};
        is_deeply $said->{type}, $empty ? [$type, 'null'] : $type, "$name.$field: type";
        is_deeply $said->{$_}, $limit{$_}, "$name.$field: $_" for sort keys %limit;
    }
}


### against the portal

my $p = portal();
my %seen;       # operationId => { status => 1 }

# '' or what is wrong with it
sub wrong {
    my ($schema, $data) = @_;

    my $validator = JSON::Validator->new->schema({ '$schema' =>
        'https://json-schema.org/draft/2019-09/schema', %$schema, components => $part })->schema;

    return join '; ', $validator->validate($data);
}

ok wrong({ '$ref' => '#/components/schemas/FormPage' }, { csrf => 'A' x 86, status => 200,
    more => 1 }), 'the validator sees one key too many';
ok wrong({ '$ref' => '#/components/schemas/FormPage' }, { status => 200 }), 'one missing';
ok wrong({ '$ref' => '#/components/schemas/Led' }, { csrf => 'A' x 86, status => 200,
    location => 'x', notice => undef, errors => [] }), 'a value that is none';

# is this answer written there, to that operation
sub answered {
    my ($id, $r, $status, $what) = @_;

    my $op = $op{$id} or die "no operation $id\n";
    $what = "$id: " . ($what // $status);
    is $r->status, $status, $what or diag substr $r->content, 0, 600;
    $seen{$id}{ $r->status } = 1;

    my $said = seen($op->{responses}{ $r->status });
    return ok(0, "$what: a status that is written there") if !$said;

    my ($type) = split /;/, $r->header('content-type') // '';
    my $content = $said->{content}{$type};
    ok $content, "$what: $type is written there" or return;

    for my $name (sort keys %{ $said->{headers} // {} }) {
        my $value = $r->header($name);
        is wrong(seen($said->{headers}{$name})->{schema}, defined $value && $value =~ /^\d+$/
            ? 0 + $value : $value), '', "$what: $name";
    }
    is defined $r->header('etag'), defined $said->{headers}{ETag}, "$what: ETag or none";

    return if $type !~ /json$/;
    is wrong($content->{schema}, $r->json), '', "$what: as written" or diag $r->content;
    is $r->json->{status}, $r->status, "$what: status inside"
        if $op->{tags}[0] ne 'monitoring';
    ok $r->header('content-language'), "$what: in a language" if $type =~ /problem/;

    return $r;
}

# fields stand for those of the example that are nobody's
sub ask {
    my ($id, $c, %o) = @_;

    my $op = $op{$id} or die "no operation $id\n";
    my @ids = ref $o{id} ? @{ $o{id} } : $o{id};
    my $path = $op->{path} =~ s/\{\w+\}/@ids > 1 ? shift @ids : $ids[0]/ger . ($o{query} // '');
    my %headers = %{ $o{headers} // {} };
    my $status = $o{status} // 200;

    return answered($id, $c->get($path, headers => \%headers), $status, $o{what})
        if $op->{method} eq 'GET';

    my $body = seen($op->{requestBody})->{content}{'application/json'};
    my %fields = (%{ $body->{example} }, %{ $o{fields} // {} });
    delete @fields{ grep { !defined $fields{$_} } keys %fields };
    is wrong($body->{schema}, { %fields }), '', "$id: its example" if $status == 200;

    # here as a field, there as a header
    my $token = $c->get('/session')->json->{csrf};
    if ($id lt 'm') { $fields{csrf} = $token } else { $headers{'X-CSRF-Token'} = $token }

    return answered($id, $c->post($path, \%fields, headers => \%headers), $status, $o{what});
}

# a mail's link carries it
sub token_of {
    my ($email, $template) = @_;

    my $mail = letter($email, $template) or die "no mail $template for $email\n";

    return (map { /jeton=([\w-]{43})/ } $mail->{link}, $mail->{text} // '')[0];
}


# who has no account

my $c = client(json => 1, source => '127.0.21.1');
my $asked = time;
my $sign_up = ask(signUpPage => $c)->json;

ask($_ => $c) for qw(home signUpSent resendPage forgotPasswordPage forgotPasswordSent
    signInPage languagePage session accessibility privacy legal sitemap help theme);
{
    my $logo = grey(100);
    my $hash = sha256_hex($logo);
    $p->psql("insert into portal.logo (tenant, hash, sent_as, kind, width, height, bytes, sent_by)
        select 1, '$hash', gen_random_uuid(), 'jpeg', 8, 8, '\\x" . unpack('H*', $logo) . "', min(id)
          from portal.agent where tenant = 1");
    answered(logo => $c->get("/logo/$hash.jpeg"), 404, 'one that is not shown');
    $p->psql("insert into portal.town_theme (tenant, state, theme, logo)
        select id, 'former', theme, '/logo/$hash.jpeg' from portal.town where id = 1");
    answered(logo => $c->get("/logo/$hash.jpeg"), 200);
}
ask(setLanguage => $c);
ask(resendConfirmation => $c);
ask(forgotPassword => $c, headers => { 'Idempotency-Key' => '"oubli"' });
ask($_ => $c, query => '?jeton=' . 'A' x 43) for qw(confirmationLink resetLink addressLink undoLink);
ask($_ => $c, status => 410, what => 'the example\'s token')
    for qw(confirm resetPassword confirmAddress undoAddress);

my ($one, $two, $three) = map { seen($op{$_->[0]}{requestBody})->{content}{'application/json'}
    {example}{ $_->[1] } } [signUp => 'password'], [changePassword => 'new_password'],
    [resetPassword => 'new_password'];
my $email = seen($op{signUp}{requestBody})->{content}{'application/json'}{example}{email};

my $pow = $sign_up->{captcha}{pow};
my ($found) = grep { sha256_hex("$pow->{salt}$_") eq $pow->{target} } 0 .. $pow->{max};
sleep 3.2 - (time - $asked) if time - $asked < 3.2;
ask(signUp => $c, fields => { captcha_challenge => $sign_up->{captcha}{challenge},
    captcha_pow => 0 + $found });

my $token = token_of($email, 'confirm');
is ask(confirmationLink => $c, query => "?jeton=$token")->json->{state}, 'valid', 'the mail\'s link';
ask(confirm => $c, fields => { token => $token });
ask(signOut => $c);
ask(signIn => $c, fields => { email => $email, password => 'another one' }, status => 422);
ask(signIn => $c, fields => { email => $email });


# an account

ask($_ => $c) for qw(home session mySpace myAccount connections changePasswordPage
    changeAddressPage myData myDataCsv closing subscriptions newSubscription noCode);
ask(myDataCsv => $c, headers => { Accept => 'text/csv' });
ask(prolong => $c);
ask($_ => $c, status => 403, id => 1)
    for qw(family guardian child requests verification request),
    grep { /^(?:ask[A-Z]|childPhoto|request[A-Z])/ } sort keys %op;
ask(childPai => $c, status => 403, id => [1, 1]);
ask($_ => $c, status => 404, id => 999999) for qw(subscription unsubscribe);
ask(chooseFamily => $c, status => 404, fields => { family => 999999 });

my $code = free_code(town => 'saint-aubin', situation => 'couple')->{code};
ask(subscribe => $c, fields => { code => $code });
ask(subscribe => $c, fields => { step => 'add' }, status => 422);
ask(subscribe => $c, fields => { code => $code, step => 'add' },
    headers => { 'Idempotency-Key' => 'add' });
my $list = ask(subscriptions => $c)->json->{subscriptions};
my $mine = $list->[0]{id};
ask(signOut => $c);
ask(signIn => $c, fields => { email => $email, next => undef });

my $file = ask(family => $c)->json;
ask(guardian => $c, id => $_->{id}) for @{ $file->{guardians} };
ask(child => $c, id => $_->{id}) for @{ $file->{children} };
ask($_ => $c, status => 404, id => 999999) for qw(guardian child);
ask(chooseFamily => $c, fields => { family => $file->{family}{id} });
ask($_ => $c) for qw(session mySpace myData subscriptions);


# what it asks the town to change

{
    my ($guardian) = map { $_->{id} } grep { $_->{self} } @{ $file->{guardians} };
    my ($young) = grep { @{ $_->{contacts} } } @{ $file->{children} };
    my ($child, $contact) = ($young->{id}, $young->{contacts}[0]{id});
    my %answer = map { $_->{code} => $_->{answer} } @{ $young->{authorisations} };
    my %fields = (ChildAuthorisations => { image_press => $answer{image_press} eq 'no' ? 'yes' : 'no' },
        ChildGeneral => { diet => $young->{diet} eq 'no_meat' ? 'vegetarian' : 'no_meat' },
        GuardianAddition => { last_name => 'Petit', first_name => 'Rose',
            link => 'other', profession => undef, phone_work => undef },
        ChildAddition => { last_name => 'Petit', first_name => 'Rose',
            birth_date => '2020-05-06', diet => undef });

    for my $of (sort grep { $_ ne 'ChildPhoto' } map { /^send(\w+)/ ? $1 : () } keys %op) {
        my $path = $op{"send$of"}{path};
        my $id = $path =~ /contact\}/ ? [$child, $contact] : $path =~ /enfant\}/ ? $child
            : $guardian;

        ask("ask$of" => $c, id => $id);
        ask("send$of" => $c, id => $id, fields => { %{ $fields{$of} // {} }, step => 'check' })
            if $path !~ /retrait|interdiction/;
        ask("send$of" => $c, id => $id, fields => $fields{$of}, status => 412,
            headers => { 'If-Match' => '"0"' });
        ask("send$of" => $c, id => $id, fields => $fields{$of},
            status => $of eq 'GuardianRemoval' && @{ $file->{guardians} } < 2 ? 422 : 200);
        next if $path !~ /\{/;
        ask("$_$of" => $c, id => [999999, 999999], fields => $fields{$of}, status => 404)
            for qw(ask send);
    }

    # JSON carries no file
    my $send = sub {
        my ($id, $path, $status, $name, $bytes, @fields) = @_;
        return answered($id => $c->post($path, join("\r\n", map({ ('--b',
            qq(Content-Disposition: form-data; name="$_->[0]"), '', $_->[1]) } @fields), '--b',
            qq(Content-Disposition: form-data; name="$name"; filename="x"), '', $bytes, '--b--',
            ''), headers => { 'Content-Type' => 'multipart/form-data; boundary=b',
            'X-CSRF-Token' => $c->get('/session')->json->{csrf} }), $status);
    };
    my $photo = sub {
        my ($status) = @_;
        my $jpeg = "\xff\xd8\xff" . 'x' x 64;
        open my $in, '-|', q(printf 'P6 2 2 255 abcdefghijkl' | cjpeg) or die;
        binmode $in;
        $jpeg = do { local $/; <$in> } if $status == 200;
        return $send->(sendChildPhoto => "/famille/enfants/$child/photo", $status, 'photo', $jpeg);
    };
    ask(askChildPhoto => $c, id => $child);
    $photo->(422);
    ask(sendChildPhoto => $c, id => $child, status => 412, headers => { 'If-Match' => '"0"' });
    my $sent = $photo->(200)->json->{location} =~ s/.*\///r;
    ask(requestPhoto => $c, id => $sent);
    ask($_ => $c, id => 999999, status => 404) for qw(askChildPhoto sendChildPhoto childPhoto
        requestPhoto requestPhotoBefore);
    $p->psql("insert into portal.child_photo (tenant, child_id, upload_id)
        select 1, $child, id from portal.upload where set_id = $sent;
        update portal.change_item set old = asked where set_id = $sent");
    ask(childPhoto => $c, id => $child);
    ask(requestPhotoBefore => $c, id => $sent);

    my $paper = $send->(sendGuardianAddress => "/famille/responsables/$guardian/adresse", 200,
        'document', "%PDF-1.4\n", [street => 'rue du Papier'])->json->{location} =~ s/.*\///r;
    ask(requestDocument => $c, id => [$paper, 1]);
    ask(requestDocument => $c, id => [$paper, 2], status => 404);

    $p->psql("update portal.health set pai = 'yes' where child_id = $child;
        insert into portal.child_pai (tenant, child_id, upload_id, set_id)
        select 1, $child, id, $paper from portal.upload where set_id = $paper");
    ask(childPai => $c, id => [$child, 1]);
    ask(childPai => $c, id => [$child, 2], status => 404);

    my $open = ask(requests => $c)->json->{open};
    cmp_ok scalar @$open, '>', 8, 'requests are open';
    ask(request => $c, id => $_->{id}) for @$open;
    ask(guardian => $c, id => $guardian);
    ask(child => $c, id => $child);
    ask(myData => $c);
    ask($_ => $c, status => 404, id => 999999) for qw(request withdrawRequest);
    ask(withdrawRequest => $c, id => $open->[0]{id}, status => 412,
        headers => { 'If-Match' => '"0"' });
    ask(withdrawRequest => $c, id => $_->{id}) for @$open;
    ask(requests => $c);
}

# what is verified each year
{
    my ($block) = @{ ask(verification => $c)->json->{blocks} };
    my %this = map { $_ => $block->{$_} } qw(block version);
    ask(verify => $c, status => 404, fields => { %this, block => 'enfant-999999' });
    ask(verify => $c, status => 409, fields => { %this, version => 'x' });
    ask(verify => $c, status => 412, fields => \%this, headers => { 'If-Match' => '"0"' });
    ask(verify => $c, fields => \%this);
    ask(verification => $c);
    ask(setReminders => $c, fields => { reminders => 'no' });
    ask(setReminders => $c, status => 422, fields => { reminders => 'often' });
}

# all of the demo's families, for what one of them has and another has not
for my $account (grep { ($_->{town} // 'saint-aubin') eq 'saint-aubin' }
    @{ $p->demo->{accounts} })
{
    my $d = client(json => 1, source => '127.0.21.2');
    next if json_post($d, '/connexion', { map { $_ => $account->{$_} } qw(email password) })
        ->status != 200;
    ask($_ => $d) for qw(session mySpace myData subscriptions);
    ask(family => $d) if $d->get('/session')->json->{family};
}


# what it may change

my %other = (status => 412, headers => { 'If-Match' => '"0"' });
my $tag = sub { (headers => { 'If-Match' => $c->get($op{ $_[0] }{path} =~ s/\{\w+\}/$mine/r)
    ->header('etag') }) };

ask(endOthers => $c, %other);
ask(endOthers => $c, $tag->('endOthers'));
ask(changePassword => $c, %other);
ask(changePassword => $c, $tag->('changePassword'));
ask(changeAddress => $c, fields => { current_password => $two }, %other);
ask(changeAddress => $c, fields => { current_password => $two }, $tag->('changeAddress'));
ask(myAccount => $c);
ask(closing => $c);

my $new = seen($op{changeAddress}{requestBody})->{content}{'application/json'}{example}{email};
my $undo = token_of($email, 'address_asked');
$token = token_of($new, 'address_confirm');
is ask(addressLink => $c, query => "?jeton=$token")->json->{state}, 'valid', 'the mail\'s link';
ask(confirmAddress => $c, fields => { token => $token, current_password => undef });
is ask(undoLink => $c, query => "?jeton=$undo")->json->{state}, 'valid', 'the old address\'s link';
ask(undoAddress => $c, fields => { token => $undo });

$token = token_of($email, 'address_undone');
is ask(resetLink => $c, query => "?jeton=$token")->json->{state}, 'valid', 'the link of a reset';
ask(resetPassword => $c, fields => { token => $token });
ask(signIn => $c, fields => { email => $email, password => $three });
ask(subscription => $c, id => $mine);
ask(unsubscribe => $c, id => $mine, %other);
ask(unsubscribe => $c, id => $mine, $tag->('unsubscribe'));
ask(closeAccount => $c, fields => { current_password => $three }, %other);
ask(closeAccount => $c, fields => { current_password => $three }, $tag->('closeAccount'));


# an address that waits for its confirmation; guesses

my $waiting = new_account();
$p->psql("update portal.account set state = 'unconfirmed', confirmed_at = null
    where id = $waiting->{id}");
is ask(signIn => $c, fields => { email => $waiting->{email}, password => $waiting->{password} })
    ->json->{state}, 'unconfirmed', 'state: unconfirmed';
ask(signIn => $c, status => 422, fields => { email => $waiting->{email}, password => "guess $_" })
    for 1 .. 5;
ask(signIn => $c, status => 429, fields => { email => $waiting->{email}, password => 'guess 6' });


# what is refused wherever it is sent

my $person = account(qr/separated/);       # who has a family
my $d = client(json => 1, source => '127.0.21.3');
json_post($d, '/connexion', { map { $_ => $person->{$_} } qw(email password) });

for my $id (sort grep { $op{$_}{method} eq 'POST' } keys %op) {
    my $op = $op{$id};
    my $path = $op->{path} =~ s/\{\w+\}/1/gr;
    my %token = (headers => { 'X-CSRF-Token' => $d->get('/session')->json->{csrf} });
    my $with = sub { (headers => { %{ $token{headers} }, @_ }) };

    answered($id, $d->post($path, {}), 403, 'no token');
    answered($id, $d->post($path, { nonsense => 'x' }, %token), 422, 'another field');
    answered($id, $d->post($path, '{', $with->('Content-Type' => 'application/json')), 400,
        'half a body');
    answered($id, $d->post($path, '<a/>', $with->('Content-Type' => 'text/xml')), 415,
        'another type');
    answered($id, $d->post($path, '"' . 'x' x 66_000 . '"',
        $with->('Content-Type' => 'application/json')), 413, 'too much');
    answered($id, $d->post($path, {}, $with->('Idempotency-Key' => 'a b')), 400, 'no key')
        if $op->{form}{idempotent};
    answered($id, client(json => 1, source => '127.0.21.4')->post($path, {}), 401, 'nobody')
        if @{ $op->{security} // [] };
}

for my $id (sort grep { $op{$_}{method} eq 'GET' && @{ $op{$_}{security} // [] } } keys %op) {
    ask($id => client(json => 1, source => '127.0.21.4'), id => 1, status => 401);
}


# the walk of docs/json.md, as it stands there

{
    my ($walk) = slurp(top() . '/docs/json.md') =~ /^```bash\n(.*?)^```/ms;
    my $script = $p->dir . '/walk';
    open my $out, '>', $script or die "$script: $!\n";
    print $out $walk;
    close $out;

    local @ENV{qw(P MAILS CODE)} = ($p->url, $p->mail_dir,
        free_code(town => 'saint-aubin', situation => 'alone')->{code});
    my $said = `bash $script 2>&1`;
    is $?, 0, 'docs/json.md: the walk' or diag $said;
    like $said, qr{"/inscription/envoyee"\n"valid"\n"confirmed"\n\{.*"family_number".*\}
        \n"subscribed"\n"signed_out"\n"/mon-espace"\n"\d+"\n.*"password_changed"\n
        (?:\{"field":"street_number","asked":"3"\}\n)?\{"field":"street","asked":"rue\ des\ Lilas"\}\n"20\d\d-\d{7}"\n"sent"\n"withdrawn"\n$}sx,
        'docs/json.md: what each step says';
}


# monitoring

{
    my $source = slurp(top() . '/src/log/ngx_http_portal_health.c');
    my $said = $part->{schemas}{Health}{properties};
    my %can;
    $can{$1}{$2} = 1 while $source =~ /health->(\w+) = "(\w+)"/g;
    cmp_ok scalar(keys %can), '>', 2, 'what readiness can say was found';
    is_deeply [sort @{ $said->{$_}{enum} }], [sort keys %{ $can{$_} }],
        "readiness: $_" for sort keys %can;
}

answered($_->[0], monitor($_->[1]), 200)
    for [ready => '/_etat'], [alive => '/_etat/vivant'], [metrics => '/_mesures'];


# every status that is written there was seen, but those of other tests: 409 of
# t/api.t, 429 of t/throttle.t, 503 of t/fault

my @unseen = map { my $id = $_; map { "$id $_" } grep { !/^(?:409|429|503)$/ && !$seen{$id}{$_} }
    sort keys %{ $op{$id}{responses} } } sort keys %op;
is join(', ', @unseen), '', 'every operation was done and refused as it is written';

done_testing;
