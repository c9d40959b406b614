#!/usr/bin/perl

# The mail server is away: whoever asks for a mail is answered at once and has it
# in the outbox, the server is tried again every few seconds and the mail for three
# days, an operator sees it, and a link that died meanwhile is not sent but made anew.

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Outbox;
use Portal::Test;

my $p = portal();

### said once, and what waits goes out by itself

$p->stop_mail;
my @to = map { address() } 1 .. 3;
my $late = address();
my @ids = map { queue_mail($_) } @to;
my $old = queue_mail($late, expires => "now() + interval '1 hour'");
becomes($_, 'queued', 'it waits', attempts => 1, detail => qr/^(?:connect|held back)$/) for @ids;

# a page that wants a mail sent says so and goes on; the row was made with it:
# now() is one transaction's, and who tries to send it may have written the row since
my ($person, $page) = sign_up(client());
is $page->status, 303, 'one may sign up';
is $p->psql("select count(*) from portal.outbox o join portal.account a on a.email = o.recipient
    where o.recipient = '$person->{email}' and o.created_at = a.signed_up_at and o.state in ('queued', 'sending')"), 1,
    'account and mail are of one transaction';
cheap_ok(client(), 'away');

my $down = qr/no mail goes out by "smtp:\S+": nothing answers there; mails wait/;
due();
wait_for(40, sub { (sort { $a <=> $b } map { row($_)->{attempts} } @ids)[-1] >= 2 });
is scalar(log_lines($down)), 1, 'said once';
is scalar(log_lines(qr/\[error\].*(?:held back|\(connect\))/)), 0, 'not with each mail';

### what an operator sees, long before three days are the end

my $given_up = queue_mail(address());
$p->psql("update portal.outbox set created_at = now() - interval '2 hours' where id = '$given_up'");
ok wait_for(60, sub { (metrics()->{portal_outbox_oldest_seconds} // 0) > 7000 }), 'its age can be alerted on';

### links that die meanwhile

my $couple = account(qr/couple/);
my $ask = sub {
    my $c = client();
    return $c->submit($c->get('/mot-de-passe/oubli'), { email => $couple->{email} });
};
is $ask->()->status, 303, 'a forgotten password: answered as ever';
my $reset = $p->psql("select id from portal.outbox where recipient = '$couple->{email}' and template = 'reset'");
ok $reset, 'its mail waits';
$p->psql("update portal.outbox set expires = now() where id in ('$old', '$reset');
    update portal.outbox set created_at = now() - interval '73 hours' where id = '$given_up'");
becomes($_, 'expired', 'a mail older than its link is given up', seconds => 100) for $old, $reset;
ok row($_)->{erased} eq 't', 'and its token erased' for $old, $reset;
becomes($given_up, 'failed', 'after three days a mail is given up', seconds => 100);

### back

# nobody asks for a mail then, and this one has been tried most
my $last = queue_mail(address(), attempts => 6);
becomes($last, 'queued', 'one that waits', attempts => 1, detail => qr/^connect$/);
$p->start_mail;
becomes($_, 'sent', 'back: it is sent by itself, within seconds', seconds => 25) for $last, @ids;
is $ask->()->status, 303, 'who asks again';
is scalar(received($_)), 1, 'back: once' for @to;
is scalar(received($late)), 0, 'back: but not what is too old';
my $list = join ', ', map { "'$_'" } @ids;
cmp_ok scalar $p->psql("select extract(epoch from max(done_at) - min(done_at))
    from portal.outbox where id in ($list)"), '<', 4,
    'back: the others do not wait for the pause between two tries';
is scalar(log_lines(qr/mail goes out by "smtp:\S+" again/)), 1, 'back: said once';

my $mail = letter($couple->{email}, 'reset');
ok $mail, '… has a mail of his own';
is scalar(received($couple->{email})), 1, 'and only that one';
is client()->get($mail->{link})->status, 200, 'whose link is alive';
ok mail_to($person->{email}), 'and the sign-up\'s mail has come';
is confirm(client(), $person, other => 1)->status, 303, 'with a link that opens the account';

done_testing;
