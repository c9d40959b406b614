package Portal::Test;

# What every HTTP test uses:
#
#     use Portal::Test;
#     my $portal = portal();                 # a stack, demo families in it
#     my $c = client();                      # a browser of the first town
#     is $c->get('/')->status, 200, 'home';
#     done_testing;
#
# At the end the stack is stopped, and the test fails if a log holds what no
# test may cause.

use strict;
use warnings;
use utf8;
use feature qw(state);

use Test::More;

use Digest::SHA ();
use Encode ();
use Exporter qw(import);
use JSON::PP ();
use Time::HiRes qw(sleep time);

use Portal::Client;
use Portal::Pending;
use Portal::Mail;
use Portal::Place qw(patient slurp wait_for top);
use Portal::Stack;

our @EXPORT = (@Test::More::EXPORT, qw(
    portal client mails mail_to letter free_code account sign_up confirm sign_in
    subscribe parent expect_complaint wait_for top
    agent agent_client log_in_agent new_agent otp step_up
    json_post send_file grey written_answer link_for counted buttons tool
    new_account patient all_ready everywhere
));

my @STACKS;
my @EXPECTED;
my $CHECKED = 0;

binmode $_, ':encoding(UTF-8)'
    for Test::More->builder->output, Test::More->builder->failure_output,
    Test::More->builder->todo_output;

# Ctrl-C must reach the END blocks
$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);


# starts the portal: options are Portal::Stack's; later calls return the same
# stack, with new => 1 another one
sub portal {
    my (%o) = @_;

    if (!@STACKS || delete $o{new}) {
        push @STACKS, Portal::Stack->start(%o);
        all_ready() if !$o{external};
    }

    return $STACKS[-1];
}

# each worker asks for its towns and finds its servers by itself, and nobody can
# say which of them answers: many at once, some times in a row
sub everywhere {
    my ($ask, $right, $seconds) = @_;

    my $seen = 0;

    return wait_for($seconds // 10, sub {
        my @pages = eval { Portal::Pending->pages(map { $ask->(pending => 1) } 1 .. 16) };
        $seen = @pages && !grep({ !$right->($_) } @pages) ? $seen + 1 : 0;
        $seen >= 3;
    });
}

sub all_ready {
    return everywhere(sub {
        client(source => '127.0.0.1')->get('/_etat',
            headers => { Host => '127.0.0.1:' . portal()->port }, @_);
    }, sub { $_[0]->status == 200 }, 5);
}

# a stack that a test has put together itself
sub adopt {
    my ($stack) = @_;

    push @STACKS, $stack;
    all_ready();

    return $stack;
}

sub client {
    my (%o) = @_;

    return Portal::Client->new(stack => portal(), %o);
}


### mail

# to: address; count: waits for so many (1), at most for wait seconds (10)
sub mails {
    my (%o) = @_;

    my $count = $o{count} // 1;
    my @mails;

    wait_for($o{wait} // 10, sub {
        @mails = grep { !$o{to} || index($_->{to}, $o{to}) >= 0 }
            Portal::Mail->all(portal()->mail_dir);
        @mails >= $count;
    });

    return @mails;
}

# the last mail to an address
sub mail_to {
    my ($address, %o) = @_;

    return (mails(to => $address, %o))[-1];
}

# the last mail of a template to an address, once it has been sent
sub letter {
    my ($address, $template) = @_;

    my $id = portal()->psql("select id from portal.outbox where recipient =
        '$address' and template = '$template' order by created_at desc limit 1")
        or return;
    my $mail;

    wait_for(20, sub {
        ($mail) = grep { index($_->{headers}{'message-id'} // '', $id) >= 0 }
            mails(to => $address, wait => 0);
        $mail;
    });

    return $mail;
}


### demo families

# a free code abonné of the demo, each time another one; filters are fields of
# demo.json: free_code(town => 'saint-aubin')
my %used;

sub free_code {
    my (%want) = @_;

    $want{state} //= 'free';
    for my $code (@{ portal()->demo->{codes} }) {
        next if $used{ $code->{code} };
        next if grep { ($code->{$_} // '') ne $want{$_} } keys %want;
        $used{ $code->{code} } = 1;
        return $code;
    }

    die 'the demo has no such code: ', join(' ', %want), "\n";
}

# an account of the demo whose situation matches the pattern
sub account {
    my ($pattern) = @_;

    my ($account) = grep {
        !defined $pattern || ($_->{situation} // '') =~ $pattern
    } @{ portal()->demo->{accounts} };

    return $account // die "the demo has no account like $pattern\n";
}


### the guide's steps, for tests that are about what comes after them

my $PEOPLE = 0;
my $PASSWORD = 'coquelicot vélo 72 orage';

# fills /inscription, or the page given as page => got before; returns
# ({ email, password, ... }, page)
sub sign_up {
    my ($c, %o) = @_;

    my %person = (
        last_name => 'Lefèvre', first_name => 'Anaïs', password => $PASSWORD,
        email => sprintf('anais.%d.%d@parents.example', $$, ++$PEOPLE), %o,
    );
    my $page = delete $person{page} // $c->get('/inscription');
    $page = $c->submit($page, { %person, $c->captcha($page) });

    return (\%person, $page);
}

# opens the mail's link and confirms; with other => 1 from another browser
sub confirm {
    my ($c, $person, %o) = @_;

    my $mail = mail_to($person->{email})
        or die "no mail for $person->{email}\n";
    my $page = $c->get($mail->{link});

    return $c->submit($page,
        $o{other} ? { password => $person->{password} } : {});
}

sub sign_in {
    my ($c, $person) = @_;

    my $page = $c->get('/connexion');

    return $c->submit($page, {
        email => $person->{email}, password => $person->{password},
    });
}

# « Rechercher », « Ajouter cet abonnement », and in again
sub subscribe {
    my ($c, $code, $person) = @_;

    my $page = $c->get('/mes-abonnements/nouveau');
    $page = $c->submit($page, { code => $code, step => 'search' });
    $page = $c->submit($page, { step => 'add' });

    if ($person) {
        $c->submit($c->get('/mon-espace'), {}, form => '/deconnexion');
        sign_in($c, $person);
    }

    return $page;
}

# a new account that reads its family's file: (client, person, code)
sub parent {
    my (%o) = @_;

    my $c = client(%o);
    my $code = $o{code} // free_code();
    my ($person) = sign_up($c);

    confirm($c, $person);
    subscribe($c, $code->{code}, $person);

    return ($c, $person, $code);
}


### agents of the town

# an agent of the demo: { email, password, totp_secret, role, name, town }
sub agent {
    my ($role, $town) = @_;

    my ($agent) = grep { $_->{role} eq ($role // 'validator')
        && $_->{town} eq ($town // 'saint-aubin') } @{ portal()->demo->{agents} };

    return $agent // die "the demo has no such agent\n";
}

# a browser at the agents' host that is logged in: role => 'administrator',
# town => 'beaulieu', as => what agent() or new_agent() gave; the rest is
# client()'s.  In list context the agent too.
sub agent_client {
    my (%o) = @_;

    my $agent = delete $o{as} // agent(delete $o{role}, $o{town});
    my $c = client(%o, town => $agent->{town}, agents => 1);
    my $page = log_in_agent($c, $agent);

    die 'the agent is not let in: ', $page->status, "\n"
        if !$c->cookie('__Host-agent');

    return wantarray ? ($c, $agent) : $c;
}

# the log-in's answer.  A code is good once, and tests do not wait for the next:
# the database forgets that it was used, unless fresh => 0.  otp: another code.
sub log_in_agent {
    my ($c, $agent, %o) = @_;

    portal()->psql("set session_replication_role = replica;
        update portal.agent set totp_step = 0 where email = '$agent->{email}'")
        if $o{fresh} // 1;

    # who is logged in is led past the log-in
    $c->cookie('__Host-agent', undef);

    my %fields = (email => $agent->{email}, password => $agent->{password},
        otp => $o{otp} // otp($agent->{totp_secret}));

    return json_post($c, '/connexion', \%fields) if $c->{json};
    return $c->submit($c->get('/connexion'), \%fields, form => '/connexion');
}

# « Confirmez que c'est bien vous »: the answer to the code, by whom agent() or
# new_agent() gave.  otp, fresh as log_in_agent(); next: the page to go on to;
# stays: the five minutes have no end, for a test that is not about them.
sub step_up {
    my ($c, $agent, %o) = @_;

    portal()->psql("set session_replication_role = replica;
        update portal.agent set totp_step = 0 where email = '$agent->{email}'")
        if $o{fresh} // 1;

    my $path = '/connexion/confirmation';
    my %fields = (otp => $o{otp} // otp($agent->{totp_secret}));

    my $r = $c->{json} ? json_post($c, $path, { %fields, $o{next} ? (next => $o{next}) : () })
        : $c->submit($o{page} // $c->get($path), \%fields, form => $path);

    portal()->psql("update portal.agent_session set confirmed_at = 'infinity'
        where confirmed_at is not null and ended_at is null") if $o{stays};

    return $r;
}

# RFC 6238: the six digits of now, or of so many steps later
sub otp {
    my ($secret, $later) = @_;

    my %value;
    @value{'A' .. 'Z', 2 .. 7} = 0 .. 31;
    my $bits = join '', map { sprintf '%05b', $value{$_} } split //, $secret;
    my $mac = Digest::SHA::hmac_sha1(
        pack('Q>', int(time / 30) + ($later // 0)), pack 'B*', $bits);

    return sprintf '%06d', (unpack('N', substr $mac, ord(substr $mac, 19) & 15, 4)
        & 0x7fffffff) % 1_000_000;
}

# one more, made as the operator does: role, town, email, password; undef when
# that is refused
sub new_agent {
    my (%o) = @_;

    my $agent = { town => 'saint-aubin', role => 'validator', name => 'Odette Essai',
        password => 'une phrase longue 38', email => sprintf('agent.%d.%d@mairie.example',
            $$, ++$PEOPLE), %o };
    my ($first, $last) = split / /, $agent->{name};
    my $file = portal()->dir . '/agent.in';

    open my $out, '>', $file or die "$file: $!\n";
    print $out Encode::encode('UTF-8', $agent->{password} . ($o{end} // "\n"));
    close $out;

    open my $in, '-|', 'sh', '-c', 'in=$1; shift; exec "$@" < "$in" 2>&1', 'sh', $file,
        top() . '/sql/agent', portal()->keys, top() . '/build/portal-tool',
        @$agent{qw(town email role)}, $first, $last, portal()->pg->psql_args
        or die "sql/agent: $!\n";
    chomp(my @lines = <$in>);
    unlink $file;
    close $in or return note(@lines), undef;
    @$agent{qw(totp_secret uri)} = @lines;

    return $agent;
}


# posts a form as JSON with the token that its page, or page => another, gives
sub json_post {
    my ($c, $path, $fields, %o) = @_;

    my $csrf = $c->get(delete $o{page} // $path)->json->{csrf};

    return $c->post($path, { csrf => $csrf, %$fields }, %o);
}

# the same with a file, which JSON cannot carry
sub send_file {
    my ($c, $path, $fields, $name, $bytes) = @_;

    my $csrf = $c->get($path)->json->{csrf};
    my $body = join "\r\n", map({ ('--b', qq(Content-Disposition: form-data; name="$_->[0]"), '',
        Encode::encode('UTF-8', $_->[1])) } [csrf => $csrf], map { [$_, $fields->{$_}] }
        sort keys %$fields), '--b', qq(Content-Disposition: form-data; name="$name"; filename="x"), '',
        $bytes, '--b--', '';

    return $c->post($path, $body,
        headers => { 'Content-Type' => 'multipart/form-data; boundary=b' });
}

# a small JPEG, all of one grey
sub grey {
    my ($level) = @_;

    my $file = portal()->dir . '/grey';
    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out "P5\n8 8\n255\n" . chr($level) x 64;
    close $out;

    return scalar `cjpeg $file`;
}

# what answers the written question of a page without scripts
sub written_answer {
    my ($page) = @_;

    my ($question) = $page->content
        =~ m{<label for="captcha">([^<]+)</label>} or return;

    $question = Portal::Page::_decode($question);

    my ($answer) = map { $_->{a}[1] } grep {
        grep { $_ eq $question } values %{ $_->{q} } }
        @{ JSON::PP->new->decode(Encode::decode('UTF-8', portal()->psql(
            "select captcha_questions from portal.town where id = 1"))) };

    return (captcha_answer => $answer);
}

# the names of a page's buttons
sub buttons {
    my ($page) = @_;
    my $html = $page->content;
    my @names;

    while ($html =~ m{<button\b[^>]*>(.*?)</button>}gs) {
        push @names, Portal::Page::_decode($1 =~ s/<[^>]*>/ /gr)
            =~ s/\s+/ /gr =~ s/^ | $//gr;
    }

    return @names;
}

# the last link that an address was sent: from its mail, or before that has
# gone out from the outbox
sub link_for {
    my ($email) = @_;
    my $link;

    wait_for(15, sub {
        my ($row) = portal()->psql("select o.id, t.slug, o.token_sealed, t.origin
            from portal.outbox o join portal.town t on t.id = o.tenant
            where o.recipient = '$email' and o.template = 'confirm'
            order by o.created_at desc limit 1");

        if ($row && $row->[2] ne '') {
            my ($id, $slug, $sealed, $origin) = @$row;
            my $token = tool("open\t$slug\toutbox\t$id\ttoken\t$sealed");
            $link = "$origin/inscription/confirmation?jeton=$token";

        } elsif ($row) {
            my ($mail) = grep { index($_->{headers}{'message-id'} // '',
                $row->[0]) >= 0 } mails(to => $email, wait => 0);
            $link = ($mail // mail_to($email, wait => 0) // {})->{link};
        }

        $link;
    });

    return $link;
}

# an account that has confirmed its address, made without the pages; with a
# code it is subscribed too.  Returns { email, password, id }.
sub new_account {
    my (%o) = @_;

    my $town = $o{town} // 'saint-aubin';
    my $email = $o{email} // sprintf 'made.%d.%d@parents.example', $$, ++$PEOPLE;
    my $mac = tool("mac\t$town\temail\t$email");
    state $hash = tool(Encode::encode('UTF-8', "hash\t-\t$PASSWORD"));

    my $id = portal()->psql("insert into portal.account (tenant, first_name,
        last_name, email, email_mac, password_hash, state, confirmed_at)
        select id, 'Odile', 'Essai', '$email', decode('$mac', 'hex'), '$hash',
        'active', now() from portal.town where slug = '$town' returning id");

    return { email => $email, password => $PASSWORD, id => $id };
}

# one line through portal-tool batch
sub tool {
    my ($line) = @_;

    my $file = portal()->dir . '/tool.in';

    open my $out, '>', $file or die "$file: $!\n";
    print $out "$line\n";
    close $out;

    open my $in, '-|', 'sh', '-c', 'exec "$1" -k "$2" batch < "$3"', 'sh',
        top() . '/build/portal-tool', portal()->keys, $file
        or die "portal-tool: $!\n";
    chomp(my $answer = <$in> // '');
    close $in or die "portal-tool refused: $line\n";

    return $answer;
}

# how many rows these tables have, to compare before and after
sub counted {
    my @tables = @_ ? @_ : qw(account token session subscription outbox code
        idempotency captcha_used);

    return scalar portal()->psql('select concat_ws(chr(32), '
        . join(', ', map { "'$_', (select count(*) from portal.$_)" } @tables)
        . ')');
}


### logs

# a line that this test causes on purpose
sub expect_complaint {
    my ($pattern) = @_;

    push @EXPECTED, $pattern;
}

sub _check_logs {
    for my $stack (@STACKS) {
        my @bad = grep {
            my $line = $_;
            !grep { $line =~ $_ } @EXPECTED;
        } map { $_->complaints } $stack->servers;

        next if !@bad;
        splice @bad, 40 if @bad > 40;
        diag "in the logs of nginx ($stack->{dir}):\n", @bad;
        return 0;
    }

    return 1;
}

END {
    my $status = $?;

    if (@STACKS && !$CHECKED++) {
        # leaks are told when the workers end
        $_->stop for @STACKS;
        $status = 1 if !_check_logs() && $status == 0;
        if ($status == 0 && !$ENV{PORTAL_KEEP}) { $_->remove for @STACKS }
        else { diag "left there: $_->{dir}" for @STACKS }
    }

    $? = $status;
}


1;
